#include "pipeline/column_gather.h"

#include <gtest/gtest.h>

#include "adaround/quant/quant_grid.h"
#include "support/graph_testing.h"

namespace adaround {
namespace {

using testing::IntList;
using testing::Op;
using testing::RandomTensor;

// The invariant the whole pipeline rests on: weights times column plus bias is the node's output,
// at every position and for every output channel.
void ExpectColumnsGiveTheOutput(const std::vector<Node>& nodes, const Shape& input_shape,
                                const Shape& weight_shape, int64_t num_biases) {
  Graph graph;
  graph.inputs = {testing::FloatInput("x", input_shape)};
  graph.nodes = nodes;
  graph.outputs = {"y"};
  graph.initializers["w"] = RandomTensor(weight_shape, 1);
  if (num_biases > 0) graph.initializers["b"] = RandomTensor({num_biases}, 2);
  const LinearLayers found = FindLinearLayers(graph);
  ASSERT_EQ(found.layers.size(), 1u);
  const LinearLayer& layer = found.layers[0];
  const Tensor x = RandomTensor(input_shape, 3);
  const Tensor y = testing::RunGraph(graph, {{"x", x}}, {layer.output}).at(layer.output);
  const ColumnGather gather(graph.nodes[layer.node], layer, input_shape, weight_shape, y.shape());
  ASSERT_EQ(gather.num_positions() * layer.num_rows, y.num_elements());

  const std::vector<int64_t> weight_at =
      ChannelLayout{layer.weight_axis, layer.weight_groups}.RowMajorPositions(weight_shape);
  const float* weight = graph.initializers.at("w").data<float>();
  const std::vector<float> bias = LayerBias(graph, layer);
  // A group stride beyond the row's length: the gap must stay as it was.
  const int64_t stride = layer.row_length + 3;
  std::vector<bool> seen(static_cast<size_t>(y.num_elements()), false);
  for (int64_t position = 0; position < gather.num_positions(); ++position) {
    std::vector<float> column(static_cast<size_t>(layer.num_groups * stride), 77.0F);
    gather.Column(x.data<float>(), position, column.data(), stride);
    for (int64_t group = 0; group < layer.num_groups; ++group) {
      for (int64_t gap = layer.row_length; gap < stride; ++gap) {
        ASSERT_EQ(column[static_cast<size_t>(group * stride + gap)], 77.0F);
      }
    }
    for (int64_t row = 0; row < layer.num_rows; ++row) {
      const int64_t group = row / (layer.num_rows / layer.num_groups);
      double sum = bias[static_cast<size_t>(row)];
      for (int64_t k = 0; k < layer.row_length; ++k) {
        sum += static_cast<double>(
                   weight[weight_at[static_cast<size_t>(row * layer.row_length + k)]]) *
               static_cast<double>(column[static_cast<size_t>(group * stride + k)]);
      }
      const int64_t at = gather.OutputOffset(row, position);
      ASSERT_FALSE(seen[static_cast<size_t>(at)]);
      seen[static_cast<size_t>(at)] = true;
      ASSERT_NEAR(y.data<float>()[at], sum, 2e-5) << "row " << row << " position " << position;
    }
  }
}

TEST(ColumnGather, Conv2D) {
  for (const int64_t groups : {1, 2, 4}) {
    for (const int64_t stride : {1, 2}) {
      for (const int64_t dilation : {1, 2}) {
        SCOPED_TRACE("groups " + std::to_string(groups) + " stride " + std::to_string(stride) +
                     " dilation " + std::to_string(dilation));
        ExpectColumnsGiveTheOutput(
            {Op("Conv", {"x", "w", "b"}, {"y"},
                {{"group", groups},
                 {"strides", IntList({stride, 1})},
                 {"dilations", IntList({1, dilation})},
                 {"pads", IntList({0, 2, 1, 1})}})},
            {1, 4, 7, 9}, {8, 4 / groups, 3, 2}, 8);
      }
    }
  }
}

TEST(ColumnGather, Conv1DAnd3D) {
  ExpectColumnsGiveTheOutput({Op("Conv", {"x", "w"}, {"y"},
                                 {{"strides", IntList({3})}, {"pads", IntList({2, 0})}})},
                             {1, 3, 20}, {5, 3, 4}, 0);
  ExpectColumnsGiveTheOutput(
      {Op("Conv", {"x", "w"}, {"y"}, {{"pads", IntList({1, 0, 0, 0, 1, 0})}})}, {1, 2, 4, 5, 3},
      {3, 2, 2, 3, 2}, 0);
}

TEST(ColumnGather, ConvAutoPad) {
  for (const char* mode : {"SAME_UPPER", "SAME_LOWER", "VALID"}) {
    for (const int64_t extent : {7, 8}) {
      SCOPED_TRACE(std::string(mode) + " " + std::to_string(extent));
      ExpectColumnsGiveTheOutput(
          {Op("Conv", {"x", "w"}, {"y"},
              {{"auto_pad", std::string(mode)}, {"strides", IntList({2, 2})}})},
          {1, 2, extent, extent}, {3, 2, 3, 3}, 0);
    }
  }
}

TEST(ColumnGather, ConvTranspose) {
  for (const int64_t groups : {1, 2}) {
    for (const int64_t stride : {1, 2, 3}) {
      for (const int64_t output_padding : {0, 1}) {
        if (output_padding >= stride) continue;
        SCOPED_TRACE("groups " + std::to_string(groups) + " stride " + std::to_string(stride));
        ExpectColumnsGiveTheOutput(
            {Op("ConvTranspose", {"x", "w", "b"}, {"y"},
                {{"group", groups},
                 {"strides", IntList({stride, stride})},
                 {"pads", IntList({1, 0, 0, 1})},
                 {"output_padding", IntList({output_padding, 0})}})},
            {1, 4, 4, 5}, {4, 3, 3, 2}, 3 * groups);
      }
    }
  }
}

TEST(ColumnGather, ConvTransposeDilatedAnd1D) {
  ExpectColumnsGiveTheOutput({Op("ConvTranspose", {"x", "w"}, {"y"},
                                 {{"strides", IntList({2})}, {"dilations", IntList({3})},
                                  {"pads", IntList({1, 2})}})},
                             {1, 3, 6}, {3, 2, 3}, 0);
}

TEST(ColumnGather, Gemm) {
  for (const int64_t transposed : {0, 1}) {
    for (const double alpha : {1.0, -0.5}) {
      ExpectColumnsGiveTheOutput(
          {Op("Gemm", {"x", "w", "b"}, {"y"},
              {{"transB", transposed}, {"alpha", alpha}, {"beta", 2.0}})},
          {1, 6}, transposed != 0 ? Shape{4, 6} : Shape{6, 4}, 4);
    }
  }
}

TEST(ColumnGather, MatMulOverManyRows) {
  ExpectColumnsGiveTheOutput({Op("MatMul", {"x", "w"}, {"y"})}, {1, 5, 6}, {6, 4}, 0);
  ExpectColumnsGiveTheOutput({Op("MatMul", {"x", "w"}, {"z"}), Op("Add", {"z", "b"}, {"y"})},
                             {1, 2, 5, 6}, {6, 4}, 4);
}

}  // namespace
}  // namespace adaround
