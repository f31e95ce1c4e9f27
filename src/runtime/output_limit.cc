#include "runtime/output_limit.h"

namespace adaround {
namespace {

thread_local ScopedOutputLimit* current = nullptr;

}  // namespace

ScopedOutputLimit::ScopedOutputLimit(size_t max_bytes) : max_bytes_(max_bytes), outer_(current) {
  current = this;
}

ScopedOutputLimit::~ScopedOutputLimit() {
  current = outer_;
}

bool ScopedOutputLimit::Admits(size_t num_bytes) {
  if (current == nullptr || num_bytes <= current->max_bytes_) return true;
  current->exceeded_ = true;
  return false;
}

}  // namespace adaround
