#include "runtime/gradients/dnnl_convolution_gradient.h"

#include <string_view>

#include "runtime/kernels/dnnl_util.h"

namespace adaround::gradients {
namespace {

using Dims = dnnl::memory::dims;
using Desc = dnnl::memory::desc;
using Tag = dnnl::memory::format_tag;
using kernels::ConvolutionProblem;
using kernels::DnnlEngine;
using kernels::DnnlStream;
using kernels::InputHandle;
using kernels::PlainDesc;
using kernels::ScratchSlot;
using kernels::ThreadScratch;

// As for the forward primitives.
constexpr size_t kMaxPreparedShapes = 16;

struct Layout {
  Tag source;
  Tag destination;
};

// Best first, as in the forward direction: blocked layouts have vectorised primitives for every
// shape; plain order always has an implementation.
std::vector<Layout> Candidates(size_t spatial) {
  const Tag plain = spatial == 1 ? Tag::ncw : spatial == 2 ? Tag::nchw : Tag::ncdhw;
  const Tag blocked16 = spatial == 1 ? Tag::nCw16c : spatial == 2 ? Tag::nChw16c : Tag::nCdhw16c;
  const Tag blocked8 = spatial == 1 ? Tag::nCw8c : spatial == 2 ? Tag::nChw8c : Tag::nCdhw8c;
  return {{plain, blocked16},   {plain, blocked8},    {blocked16, blocked16},
          {blocked8, blocked8}, {Tag::any, Tag::any}, {plain, plain}};
}

struct Geometry {
  Dims strides, dilations, pads_begin, pads_end;
};

Geometry GeometryOf(const ConvolutionProblem& problem) {
  Geometry geometry;
  for (const kernels::WindowAxis& axis : problem.window) {
    geometry.strides.push_back(axis.stride);
    geometry.dilations.push_back(axis.dilation - 1);
    geometry.pads_begin.push_back(axis.pad_begin);
    // Without the part of the padding that the last window does not reach.
    geometry.pads_end.push_back((axis.output - 1) * axis.stride + axis.kernel_extent() -
                                axis.input - axis.pad_begin);
  }
  return geometry;
}

// Forward, backward by data and backward by weights of one operator.
struct Convolution {
  using Forward = dnnl::convolution_forward;
  using ByData = dnnl::convolution_backward_data;
  using ByWeights = dnnl::convolution_backward_weights;
  static constexpr dnnl::algorithm kAlgorithm = dnnl::algorithm::convolution_direct;
};
struct Deconvolution {
  using Forward = dnnl::deconvolution_forward;
  using ByData = dnnl::deconvolution_backward_data;
  using ByWeights = dnnl::deconvolution_backward_weights;
  static constexpr dnnl::algorithm kAlgorithm = dnnl::algorithm::deconvolution_direct;
};

// The backward primitive for one layout, or an empty one where oneDNN has none or only its slow
// reference.
template <typename Operator, typename Backward>
typename Backward::primitive_desc TryLayout(const ConvolutionProblem& problem, const Layout& layout,
                                            bool accept_reference) {
  constexpr bool kAllowEmpty = true;
  const auto f32 = dnnl::memory::data_type::f32;
  const Geometry geometry = GeometryOf(problem);
  const Desc source(problem.source, f32, layout.source);
  const Desc weights(problem.weights, f32, Tag::any);
  const Desc destination(problem.destination, f32, layout.destination);
  using Forward = typename Operator::Forward;
  const typename Forward::desc forward_desc(
      dnnl::prop_kind::forward_training, Operator::kAlgorithm, source, weights, destination,
      geometry.strides, geometry.dilations, geometry.pads_begin, geometry.pads_end);
  const typename Forward::primitive_desc hint(forward_desc, dnnl::primitive_attr(), DnnlEngine(),
                                              kAllowEmpty);
  if (!hint) return {};
  const typename Backward::desc desc(Operator::kAlgorithm, source, weights, destination,
                                     geometry.strides, geometry.dilations, geometry.pads_begin,
                                     geometry.pads_end);
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  typename Backward::primitive_desc result(desc, attributes, DnnlEngine(), hint, kAllowEmpty);
  const bool usable =
      result && (accept_reference ||
                 std::string_view(result.impl_info_str()).find("ref") == std::string_view::npos);
  return usable ? result : typename Backward::primitive_desc();
}

template <typename Operator, typename Backward>
typename Backward::primitive_desc ChooseLayout(const ConvolutionProblem& problem) {
  const std::vector<Layout> layouts = Candidates(problem.window.size());
  for (const bool accept_reference : {false, true}) {
    for (const Layout& layout : layouts) {
      const auto desc = TryLayout<Operator, Backward>(problem, layout, accept_reference);
      if (desc) return desc;
    }
  }
  kernels::Unsupported("oneDNN has no derivative of a convolution of these shapes");
}

dnnl::reorder MakeReorder(const Desc& from, const Desc& to) {
  return dnnl::reorder(dnnl::reorder::primitive_desc(DnnlEngine(), from, DnnlEngine(), to));
}

}  // namespace

// Two operands go in, one result comes out, each through a reorder from or to plain order.
struct ConvolutionGradientRunner::Prepared {
  Prepared(const ConvolutionProblem& problem, bool by_weights);

  // `operand` = the weights or, for the derivative by them, x.
  void Execute(const Tensor& of_output, const Tensor& operand, Tensor& result) const;

  struct Port {
    Desc plain, inner;
    dnnl::reorder reorder;
    int argument = 0;
  };
  Port of_output, operand, result;
  Desc scratchpad;
  dnnl::primitive primitive;

 private:
  template <typename Operator>
  void Choose(const ConvolutionProblem& problem, bool by_weights);
};

template <typename Operator>
void ConvolutionGradientRunner::Prepared::Choose(const ConvolutionProblem& problem,
                                                 bool by_weights) {
  if (by_weights) {
    using Backward = typename Operator::ByWeights;
    const auto desc = ChooseLayout<Operator, Backward>(problem);
    of_output.inner = desc.diff_dst_desc();
    operand.inner = desc.src_desc();
    result.inner = desc.diff_weights_desc();
    scratchpad = desc.scratchpad_desc();
    primitive = Backward(desc);
  } else {
    using Backward = typename Operator::ByData;
    const auto desc = ChooseLayout<Operator, Backward>(problem);
    of_output.inner = desc.diff_dst_desc();
    operand.inner = desc.weights_desc();
    result.inner = desc.diff_src_desc();
    scratchpad = desc.scratchpad_desc();
    primitive = Backward(desc);
  }
}

ConvolutionGradientRunner::Prepared::Prepared(const ConvolutionProblem& problem, bool by_weights) {
  if (problem.transposed) {
    Choose<Deconvolution>(problem, by_weights);
  } else {
    Choose<Convolution>(problem, by_weights);
  }
  const Desc plain_weights(problem.weights, dnnl::memory::data_type::f32, problem.weights_strides);
  of_output.plain = PlainDesc(problem.destination);
  operand.plain = by_weights ? PlainDesc(problem.source) : plain_weights;
  result.plain = by_weights ? plain_weights : PlainDesc(problem.source);
  of_output.argument = DNNL_ARG_DIFF_DST;
  operand.argument = by_weights ? DNNL_ARG_SRC : DNNL_ARG_WEIGHTS;
  result.argument = by_weights ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_DIFF_SRC;
  for (Port* port : {&of_output, &operand}) {
    if (port->inner != port->plain) port->reorder = MakeReorder(port->plain, port->inner);
  }
  if (result.inner != result.plain) result.reorder = MakeReorder(result.inner, result.plain);
}

void ConvolutionGradientRunner::Prepared::Execute(const Tensor& of_output_tensor,
                                                  const Tensor& operand_tensor,
                                                  Tensor& result_tensor) const {
  dnnl::stream& stream = DnnlStream();
  const auto scratch = [](const Desc& desc, ScratchSlot slot) {
    return dnnl::memory(desc, DnnlEngine(), ThreadScratch(slot, desc.get_size()));
  };
  const auto bring_in = [&](const Port& port, const Tensor& tensor, ScratchSlot slot) {
    dnnl::memory outer(port.plain, DnnlEngine(), InputHandle(tensor));
    if (!port.reorder) return outer;
    dnnl::memory inner = scratch(port.inner, slot);
    port.reorder.execute(stream, outer, inner);
    return inner;
  };
  dnnl::memory outer_result(result.plain, DnnlEngine(), result_tensor.mutable_raw());
  dnnl::memory inner_result =
      result.reorder ? scratch(result.inner, ScratchSlot::kDestination) : outer_result;
  primitive.execute(
      stream, {{of_output.argument, bring_in(of_output, of_output_tensor, ScratchSlot::kSource)},
               {operand.argument, bring_in(operand, operand_tensor, ScratchSlot::kWeights)},
               {result.argument, inner_result},
               {DNNL_ARG_SCRATCHPAD, scratch(scratchpad, ScratchSlot::kScratchpad)}});
  if (result.reorder) result.reorder.execute(stream, inner_result, outer_result);
  stream.wait();
}

ConvolutionGradientRunner::ConvolutionGradientRunner() = default;
ConvolutionGradientRunner::~ConvolutionGradientRunner() = default;

std::shared_ptr<const ConvolutionGradientRunner::Prepared> ConvolutionGradientRunner::Prepare(
    const ConvolutionProblem& problem, bool by_weights) {
  const std::lock_guard<std::mutex> lock(mutex_);
  Shape key = problem.source;
  key.push_back(by_weights ? 1 : 0);
  key.insert(key.end(), problem.weights.begin(), problem.weights.end());
  key.insert(key.end(), problem.destination.begin(), problem.destination.end());
  const auto found = prepared_.find(key);
  if (found != prepared_.end()) return found->second;
  if (prepared_.size() >= kMaxPreparedShapes) prepared_.clear();
  return prepared_[key] = std::make_shared<Prepared>(problem, by_weights);
}

Tensor ConvolutionGradientRunner::ByInput(const ConvolutionProblem& problem,
                                          const Tensor& of_output, const Tensor& weights) {
  if (of_output.num_elements() == 0) return Tensor::Zeros(DType::kFloat32, problem.source);
  Tensor result(DType::kFloat32, problem.source);
  kernels::RunDnnl([&] { Prepare(problem, false)->Execute(of_output, weights, result); });
  return result;
}

Tensor ConvolutionGradientRunner::ByWeights(const ConvolutionProblem& problem,
                                            const Tensor& of_output, const Tensor& x,
                                            const Shape& weights) {
  if (of_output.num_elements() == 0) return Tensor::Zeros(DType::kFloat32, weights);
  Tensor result(DType::kFloat32, weights);
  kernels::RunDnnl([&] { Prepare(problem, true)->Execute(of_output, x, result); });
  return result;
}

}  // namespace adaround::gradients
