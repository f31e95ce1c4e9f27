// Changes the bounds of Relu, Clip, Min and Max nodes into others, which may differ per channel.
#pragma once

#include <map>
#include <vector>

#include "adaround/graph/graph.h"
#include "graph/channel_constant.h"
#include "graph/name_book.h"
#include "graph/passes/channel_reach.h"

namespace adaround {

class ChannelBoundsEditor {
 public:
  // The graph must outlive the editor, and keep its nodes until Apply().
  explicit ChannelBoundsEditor(Graph& graph);

  // From Apply() on, the node bounds its input by `bounds`, one element each or one per channel: a
  // Clip where each is one number that Clip can hold, else Relu (or Max, with lower bounds other
  // than 0) and Min with constants [1, C, 1, 1] that all opsets from 8 on broadcast.
  // REQUIRES: place.num_channels > 0 where bounds differ; the node is Relu, Clip, Min or Max.
  void SetBounds(size_t node, const ChannelPlace& place, const ChannelBounds& bounds);

  // Replaces the nodes in their places, and removes constants that nothing reads any more.
  void Apply();

  // Nodes that have bounds per channel and had one for all.
  int64_t num_split() const { return num_split_; }

 private:
  std::string AddConstant(const std::string& wanted, const ChannelPlace& place,
                          const std::vector<float>& values);
  Node ClipNode(const Node& node, const std::string& input, float lower, float upper);

  Graph& graph_;
  NameBook node_names_;
  NameBook tensor_names_;
  std::map<size_t, std::vector<Node>> replacements_;
  int64_t num_split_ = 0;
};

// The input of a Relu, Clip, Min or Max that is no constant.
std::string BoundedInput(const Graph& graph, const Node& node);

}  // namespace adaround
