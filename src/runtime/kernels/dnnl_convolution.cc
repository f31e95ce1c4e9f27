// Tensors between kernels are in plain NCHW order, so a layout that oneDNN likes better costs two
// reorders per call. Measured end to end at batch 1 on AVX-512, one thread:
//   1x1 over many positions (32 -> 96 at 112x112): plain GEMM 0.95 ms, blocked 1.1, nhwc 2.1
//   1x1 over few (960 -> 320 at 7x7):              plain GEMM 0.40 ms, blocked 0.28, nhwc 0.30
//   3x3 (16 -> 16 at 32x32):                       plain GEMM 0.14 ms, blocked 0.05, nhwc 0.05
//   3x3 on an image (3 -> 32, stride 2, 224x224):  plain source, blocked result 0.25, nhwc 0.34
//   depthwise 3x3 (144 at 56x56):                  plain GEMM 2.0 ms, blocked 0.20, nhwc 0.60,
//                                                  direct loops of our own 0.86
// Hence the order in Candidates(). The choice depends on shapes alone, so results do not vary.
#include "runtime/kernels/dnnl_convolution.h"

#include "runtime/kernels/dnnl_util.h"

namespace adaround::kernels {
namespace {

using Dims = dnnl::memory::dims;
using Desc = dnnl::memory::desc;
using Tag = dnnl::memory::format_tag;

// More input shapes than this in one run are not a network at work: the cache starts afresh.
constexpr size_t kMaxPreparedShapes = 16;

struct Layout {
  Tag source;
  Tag destination;
};

Tag Plain(size_t spatial) {
  return spatial == 1 ? Tag::ncw : spatial == 2 ? Tag::nchw : Tag::ncdhw;
}
Tag Blocked16(size_t spatial) {
  return spatial == 1 ? Tag::nCw16c : spatial == 2 ? Tag::nChw16c : Tag::nCdhw16c;
}
Tag Blocked8(size_t spatial) {
  return spatial == 1 ? Tag::nCw8c : spatial == 2 ? Tag::nChw8c : Tag::nCdhw8c;
}

bool IsPointwise(const ConvolutionProblem& problem) {
  if (problem.groups != 1 || problem.transposed) return false;
  for (const WindowAxis& axis : problem.window) {
    if (axis.kernel != 1 || axis.stride != 1 || axis.pad_begin != 0 || axis.pad_end != 0) {
      return false;
    }
  }
  return true;
}

// Best first; the last one always has an implementation.
std::vector<Layout> Candidates(const ConvolutionProblem& problem) {
  constexpr int64_t kManyPositions = 100;
  constexpr int64_t kFewChannels = 16;
  const size_t spatial = problem.window.size();
  const Tag plain = Plain(spatial);
  const int64_t positions =
      ProductOf(problem.destination, 2, static_cast<int64_t>(problem.destination.size()));
  std::vector<Layout> layouts;
  if (!IsPointwise(problem) || positions <= kManyPositions) {
    if (problem.groups == 1 && !problem.transposed && problem.source[1] < kFewChannels) {
      layouts.push_back({plain, Blocked16(spatial)});
      layouts.push_back({plain, Blocked8(spatial)});
    }
    layouts.push_back({Blocked16(spatial), Blocked16(spatial)});
    layouts.push_back({Blocked8(spatial), Blocked8(spatial)});
    layouts.push_back({Tag::any, Tag::any});
  }
  layouts.push_back({plain, plain});
  return layouts;
}

// The primitive for one layout, or an empty one where oneDNN has none or only its slow reference.
template <typename Primitive>
typename Primitive::primitive_desc TryLayout(const ConvolutionProblem& problem,
                                             dnnl::algorithm algorithm, const Layout& layout,
                                             bool accept_reference) {
  const auto f32 = dnnl::memory::data_type::f32;
  Dims strides, dilations, pads_begin, pads_end;
  for (const WindowAxis& axis : problem.window) {
    strides.push_back(axis.stride);
    dilations.push_back(axis.dilation - 1);
    pads_begin.push_back(axis.pad_begin);
    // Without the part of the padding that the last window does not reach.
    pads_end.push_back((axis.output - 1) * axis.stride + axis.kernel_extent() - axis.input -
                       axis.pad_begin);
  }
  const Desc source(problem.source, f32, layout.source);
  const Desc weights(problem.weights, f32, Tag::any);
  const Desc destination(problem.destination, f32, layout.destination);
  const auto kind = dnnl::prop_kind::forward_inference;
  const typename Primitive::desc desc =
      problem.bias.empty() ? typename Primitive::desc(kind, algorithm, source, weights, destination,
                                                      strides, dilations, pads_begin, pads_end)
                           : typename Primitive::desc(kind, algorithm, source, weights,
                                                      Desc(problem.bias, f32, Tag::x), destination,
                                                      strides, dilations, pads_begin, pads_end);
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  constexpr bool kAllowEmpty = true;
  typename Primitive::primitive_desc result(desc, attributes, DnnlEngine(), kAllowEmpty);
  const bool usable =
      result && (accept_reference ||
                 std::string_view(result.impl_info_str()).find("ref") == std::string_view::npos);
  return usable ? result : typename Primitive::primitive_desc();
}

template <typename Primitive>
typename Primitive::primitive_desc ChooseLayout(const ConvolutionProblem& problem,
                                                dnnl::algorithm algorithm) {
  const std::vector<Layout> layouts = Candidates(problem);
  for (const Layout& layout : layouts) {
    const auto desc = TryLayout<Primitive>(problem, algorithm, layout, false);
    if (desc) return desc;
  }
  const auto desc = TryLayout<Primitive>(problem, algorithm, layouts.back(), true);
  if (!desc) Unsupported("oneDNN has no convolution for these shapes");
  return desc;
}

}  // namespace

struct ConvolutionRunner::Prepared {
  explicit Prepared(const ConvolutionProblem& problem);

  void PackWeights(const Tensor& weights, dnnl::memory& packed) const;
  void Execute(const Tensor& x, const Tensor& weights, const Tensor* bias, Tensor& y) const;

  Desc plain_source, plain_weights, plain_destination, bias;
  Desc source, weights, destination, scratchpad;  // as the primitive wants them
  dnnl::primitive primitive;
  dnnl::reorder source_reorder;  // empty where the primitive reads plain order
  dnnl::reorder weights_reorder;
  dnnl::reorder destination_reorder;  // empty where it writes plain order
  dnnl::memory packed_weights;        // empty where the weights are not constant

 private:
  template <typename PrimitiveDesc>
  void TakeDescs(const PrimitiveDesc& desc);
};

template <typename PrimitiveDesc>
void ConvolutionRunner::Prepared::TakeDescs(const PrimitiveDesc& desc) {
  source = desc.src_desc();
  weights = desc.weights_desc();
  destination = desc.dst_desc();
  scratchpad = desc.scratchpad_desc();
}

ConvolutionRunner::Prepared::Prepared(const ConvolutionProblem& problem)
    : plain_source(PlainDesc(problem.source)),
      plain_weights(problem.weights, dnnl::memory::data_type::f32, problem.weights_strides),
      plain_destination(PlainDesc(problem.destination)) {
  if (!problem.bias.empty()) bias = PlainDesc(problem.bias);
  const dnnl::engine& engine = DnnlEngine();
  if (problem.transposed) {
    const auto desc = ChooseLayout<dnnl::deconvolution_forward>(
        problem, dnnl::algorithm::deconvolution_direct);
    TakeDescs(desc);
    primitive = dnnl::deconvolution_forward(desc);
  } else {
    const auto desc =
        ChooseLayout<dnnl::convolution_forward>(problem, dnnl::algorithm::convolution_direct);
    TakeDescs(desc);
    primitive = dnnl::convolution_forward(desc);
  }
  const auto make_reorder = [&](const Desc& from, const Desc& to) {
    return dnnl::reorder(dnnl::reorder::primitive_desc(engine, from, engine, to));
  };
  if (source != plain_source) source_reorder = make_reorder(plain_source, source);
  if (destination != plain_destination) {
    destination_reorder = make_reorder(destination, plain_destination);
  }
  weights_reorder = make_reorder(plain_weights, weights);
}

void ConvolutionRunner::Prepared::PackWeights(const Tensor& tensor, dnnl::memory& packed) const {
  dnnl::memory plain(plain_weights, DnnlEngine(), InputHandle(tensor));
  weights_reorder.execute(DnnlStream(), plain, packed);
}

void ConvolutionRunner::Prepared::Execute(const Tensor& x, const Tensor& weights_tensor,
                                          const Tensor* bias_tensor, Tensor& y) const {
  const dnnl::engine& engine = DnnlEngine();
  dnnl::stream& stream = DnnlStream();
  const auto scratch = [&](const Desc& desc, ScratchSlot slot) {
    return dnnl::memory(desc, engine, ThreadScratch(slot, desc.get_size()));
  };
  dnnl::memory outer_source(plain_source, engine, InputHandle(x));
  dnnl::memory outer_destination(plain_destination, engine, y.mutable_raw());
  dnnl::memory inner_source = outer_source;
  dnnl::memory inner_destination = outer_destination;
  dnnl::memory packed = packed_weights;
  if (source_reorder) {
    inner_source = scratch(source, ScratchSlot::kSource);
    source_reorder.execute(stream, outer_source, inner_source);
  }
  if (destination_reorder) inner_destination = scratch(destination, ScratchSlot::kDestination);
  if (!packed) {
    packed = scratch(weights, ScratchSlot::kWeights);
    PackWeights(weights_tensor, packed);
  }
  std::unordered_map<int, dnnl::memory> arguments = {
      {DNNL_ARG_SRC, inner_source},
      {DNNL_ARG_WEIGHTS, packed},
      {DNNL_ARG_DST, inner_destination},
      {DNNL_ARG_SCRATCHPAD, scratch(scratchpad, ScratchSlot::kScratchpad)}};
  if (bias_tensor != nullptr) {
    arguments[DNNL_ARG_BIAS] = dnnl::memory(bias, engine, InputHandle(*bias_tensor));
  }
  primitive.execute(stream, arguments);
  if (destination_reorder) {
    destination_reorder.execute(stream, inner_destination, outer_destination);
  }
  stream.wait();
}

ConvolutionRunner::ConvolutionRunner(bool has_constant_weights)
    : has_constant_weights_(has_constant_weights) {}

ConvolutionRunner::~ConvolutionRunner() = default;

std::shared_ptr<const ConvolutionRunner::Prepared> ConvolutionRunner::Prepare(
    const ConvolutionProblem& problem, const Tensor& weights) {
  const std::lock_guard<std::mutex> lock(mutex_);
  // Weights that change keep their shapes, as a rule; where they do not, nothing may be reused.
  Shape key = problem.source;
  if (!has_constant_weights_) {
    key.insert(key.end(), problem.weights.begin(), problem.weights.end());
    key.insert(key.end(), problem.destination.begin(), problem.destination.end());
  }
  const auto found = prepared_.find(key);
  if (found != prepared_.end()) return found->second;
  auto made = std::make_shared<Prepared>(problem);
  if (has_constant_weights_) {
    made->packed_weights = dnnl::memory(made->weights, DnnlEngine());
    made->PackWeights(weights, made->packed_weights);
    DnnlStream().wait();
  }
  if (prepared_.size() >= kMaxPreparedShapes) prepared_.clear();
  prepared_[key] = made;
  return made;
}

Tensor ConvolutionRunner::Run(const ConvolutionProblem& problem, const Tensor& x,
                              const Tensor& weights, const Tensor* bias) {
  Tensor y = NewOutput(DType::kFloat32, problem.destination);
  if (y.num_elements() == 0) return y;
  RunDnnl([&] { Prepare(problem, weights)->Execute(x, weights, bias, y); });
  return y;
}

}  // namespace adaround::kernels
