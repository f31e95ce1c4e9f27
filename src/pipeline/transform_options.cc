#include "adaround/pipeline/transform_options.h"

namespace adaround {

std::vector<std::string> TransformOptions::Validate() const { return {}; }

}  // namespace adaround
