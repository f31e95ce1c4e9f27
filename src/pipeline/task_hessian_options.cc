#include "adaround/pipeline/task_hessian_options.h"

namespace adaround {

std::vector<std::string> TaskHessianOptions::Validate() const {
  std::vector<std::string> violations;
  if (num_drawn_classes < 1 || num_drawn_classes > 1000) {
    violations.emplace_back("hessian-draws must be 1 to 1000");
  }
  return violations;
}

}  // namespace adaround
