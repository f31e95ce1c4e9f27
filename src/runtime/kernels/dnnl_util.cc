#include "runtime/kernels/dnnl_util.h"

#include <omp.h>

#include <algorithm>
#include <array>
#include <memory>
#include <new>

#include "runtime/kernels/kernel_util.h"

namespace adaround::kernels {
namespace {

class OneOpenMpThread {
 public:
  OneOpenMpThread() : previous_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneOpenMpThread() { omp_set_num_threads(previous_); }
  OneOpenMpThread(const OneOpenMpThread&) = delete;
  OneOpenMpThread& operator=(const OneOpenMpThread&) = delete;

 private:
  int previous_;
};

constexpr std::align_val_t kAlignment{64};

struct AlignedDelete {
  void operator()(void* buffer) const { ::operator delete(buffer, kAlignment); }
};

struct Buffer {
  std::unique_ptr<void, AlignedDelete> data;
  size_t bytes = 0;
};

}  // namespace

const dnnl::engine& DnnlEngine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

dnnl::stream& DnnlStream() {
  thread_local dnnl::stream stream(DnnlEngine());
  return stream;
}

dnnl::memory::desc PlainDesc(const Shape& shape) {
  return dnnl::memory::desc(shape, dnnl::memory::data_type::f32, Strides(shape));
}

void* InputHandle(const Tensor& tensor) { return const_cast<uint8_t*>(tensor.raw()); }

void* ThreadScratch(ScratchSlot slot, size_t bytes) {
  thread_local std::array<Buffer, static_cast<size_t>(ScratchSlot::kCount)> buffers;
  Buffer& buffer = buffers[static_cast<size_t>(slot)];
  if (buffer.bytes < bytes) {
    buffer.data.reset();
    buffer.bytes = 0;
    buffer.data.reset(::operator new(bytes, kAlignment));
    buffer.bytes = bytes;
  }
  return buffer.data.get();
}

void RunDnnl(const std::function<void()>& body) {
  const OneOpenMpThread one_thread;
  try {
    body();
  } catch (const dnnl::error& error) {
    Unsupported(std::string("oneDNN refuses: ") + error.what());
  }
}

void MatrixMultiply(int64_t m, int64_t n, int64_t k, float alpha, const MatrixOperand& a,
                    const MatrixOperand& b, float beta, float* c) {
  const OneOpenMpThread one_thread;
  const dnnl_status_t status =
      dnnl_sgemm(a.transposed ? 'T' : 'N', b.transposed ? 'T' : 'N', m, n, k, alpha, a.data,
                 std::max<int64_t>(1, a.leading), b.data, std::max<int64_t>(1, b.leading), beta, c,
                 std::max<int64_t>(1, n));
  if (status != dnnl_success) {
    Unsupported("oneDNN refuses a product of " + std::to_string(m) + " x " + std::to_string(k) +
                " and " + std::to_string(k) + " x " + std::to_string(n));
  }
}

}  // namespace adaround::kernels
