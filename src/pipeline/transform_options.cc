#include "adaround/pipeline/transform_options.h"

namespace adaround {

std::vector<std::string> TransformOptions::Validate() const {
  std::vector<std::string> violations;
  if (!(split_outliers >= 0.0 && split_outliers <= 1.0)) {
    violations.push_back("split-outliers must be 0 to 1");
  }
  return violations;
}

}  // namespace adaround
