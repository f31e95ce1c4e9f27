// Flags that say how pictures become a network's input.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "adaround/graph/graph.h"

namespace adaround::cli {

// What the user set; see Preprocess for the meanings.
struct ImageOptions {
  std::optional<double> scale;
  std::vector<double> mean;
  std::vector<double> std;
  std::optional<int64_t> resize;
  std::optional<int64_t> crop;
  std::optional<std::string> channel_order;
  std::optional<std::string> interpolation;

  // Whether pixels' values are to be changed.
  bool SetsValues() const { return scale || !mean.empty() || !std.empty(); }
};

// Adds --scale, --mean, --std, --resize, --crop, --channel-order and --interpolation.
// `options` must outlive `app`'s parsing.
void AddImageOptions(CLI::App& app, ImageOptions& options);

// Writes what is set over the `preprocess` of the graph's image input: its one float input, or of
// several the one that has a preprocess already. Nothing set: the graph stays as it is.
// Throws Error(kInvalidArgument) where no such input is found, values and channels disagree, or
// geometry alone is set for a model that does not say how pixels become values.
void ApplyImageOptions(const ImageOptions& options, Graph& graph);

}  // namespace adaround::cli
