#include "adaround/pipeline/calibration_set.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <numeric>

#include "adaround/base/did_you_mean.h"
#include "adaround/base/error.h"
#include "adaround/graph/image_layout.h"

namespace adaround {
namespace {

const GraphInput* FindInput(const Graph& graph, const std::string& name) {
  for (const GraphInput& input : graph.inputs) {
    if (input.name == name) return &input;
  }
  return nullptr;
}

void CheckShape(const ArraySource& array, const GraphInput& input) {
  const Shape& found = array.shape();
  bool fits = found.size() == input.shape.size();
  for (size_t axis = 1; fits && axis < found.size(); ++axis) {
    fits = input.shape[axis] < 0 || input.shape[axis] == found[axis];
  }
  // A fixed first extent of 1 means a network that takes one sample at a time, as we run it.
  if (fits && !input.shape.empty() && input.shape[0] > 1) {
    throw Error(ErrorCode::kUnsupported,
                "graph input '" + Printable(input.name) + "' has a fixed first extent of " +
                    std::to_string(input.shape[0]) +
                    "; export the model with a symbolic (or unit) number of samples");
  }
  if (fits) return;
  std::string wanted = "[samples";
  for (size_t axis = 1; axis < input.shape.size(); ++axis) {
    wanted += ", " + (input.shape[axis] < 0 ? "any" : std::to_string(input.shape[axis]));
  }
  throw Error(ErrorCode::kMalformed, array.description() + " has shape " + ShapeToString(found) +
                                         ", but input '" + Printable(input.name) + "' wants " +
                                         wanted + "]");
}

// Arrays are taken as they are: they must be cropped already, and in the network's channel order.
void CheckPixelLayout(const ArraySource& array, const Preprocess& preprocess) {
  const Shape& shape = array.shape();
  const size_t height_axis = ChannelAxis(shape) == 3 ? 1 : 2;
  if (preprocess.crop && shape.size() == 4 &&
      (shape[height_axis] != *preprocess.crop || shape[height_axis + 1] != *preprocess.crop)) {
    throw Error(ErrorCode::kMalformed, array.description() + " has shape " + ShapeToString(shape) +
                                           ", but the model's preprocess crops to " +
                                           std::to_string(*preprocess.crop) +
                                           "; resize and crop the images before saving them, or "
                                           "give a folder of JPEG or PNG pictures");
  }
  if (preprocess.channel_order && *preprocess.channel_order != "RGB" &&
      *preprocess.channel_order != "rgb") {
    throw Error(ErrorCode::kUnsupported,
                array.description() + ": preprocess asks for channel order '" +
                    Printable(*preprocess.channel_order) +
                    "', which is not applied to arrays; save them in the network's order and leave "
                    "channel_order out, or give a folder of JPEG or PNG pictures");
  }
}

// `values` per channel, or the one for all.
double PerChannel(const std::vector<double>& values, int64_t channel) {
  return values.size() == 1 ? values[0] : values[static_cast<size_t>(channel)];
}

}  // namespace

Tensor ApplyPreprocess(const Tensor& pixels, const Preprocess& preprocess) {
  Tensor result(DType::kFloat32, pixels.shape());
  const int64_t axis = ChannelAxis(pixels.shape());
  const int64_t channels = pixels.rank() > axis ? pixels.dim(axis) : 1;
  // Neighbours of one channel, and how often the channels come round.
  int64_t run = 1;
  for (int64_t i = axis + 1; i < pixels.rank(); ++i) run *= pixels.dim(i);
  const int64_t num_rounds = pixels.num_elements() / std::max<int64_t>(1, channels * run);
  const uint8_t* in = pixels.data<uint8_t>();
  float* out = result.mutable_data<float>();
  for (int64_t c = 0; c < channels; ++c) {
    float table[256];
    for (int pixel = 0; pixel < 256; ++pixel) {
      table[pixel] =
          static_cast<float>((pixel * preprocess.scale - PerChannel(preprocess.mean, c)) /
                             PerChannel(preprocess.std, c));
    }
    for (int64_t round = 0; round < num_rounds; ++round) {
      const int64_t begin = (round * channels + c) * run;
      for (int64_t i = begin; i < begin + run; ++i) out[i] = table[in[i]];
    }
  }
  return result;
}

CalibrationSet::CalibrationSet(std::vector<CalibrationTensor> tensors, const Graph& graph) {
  std::vector<std::string> known;
  for (const GraphInput& input : graph.inputs) known.push_back(input.name);
  const auto producers = graph.Producers();
  // All tensors may be given, but a list of hundreds helps nobody.
  constexpr size_t kMaxListed = 12;
  if (producers.size() <= kMaxListed) {
    for (const auto& [name, node] : producers) known.push_back(name);
  }
  for (CalibrationTensor& tensor : tensors) {
    Entry entry;
    const ArraySource& array = *tensor.x;
    const GraphInput* input = FindInput(graph, tensor.name);
    if (input == nullptr && !producers.contains(tensor.name)) {
      throw Error(ErrorCode::kMalformed, array.description() + ": the model has no tensor '" +
                                             Printable(tensor.name) + "'" +
                                             DidYouMean(tensor.name, known));
    }
    const DType wanted = input != nullptr ? input->dtype : DType::kFloat32;
    if (input != nullptr) CheckShape(array, *input);
    if (array.dtype() == DType::kUInt8 && wanted == DType::kFloat32) {
      if (input == nullptr || !input->preprocess) {
        throw Error(ErrorCode::kMalformed,
                    array.description() + " holds 8-bit pixels, but " +
                        (input == nullptr ? "tensor" : "input") + " '" + Printable(tensor.name) +
                        "' has no preprocess that says how pixels become inputs; give float "
                        "arrays, or --scale, --mean and --std as the network was trained, or add "
                        "\"preprocess\" to the model's input");
      }
      entry.is_image = true;
      entry.preprocess = *input->preprocess;
      const auto axis = static_cast<size_t>(ChannelAxis(array.shape()));
      const auto channels =
          array.shape().size() > axis ? static_cast<size_t>(array.shape()[axis]) : 1;
      if (!tensor.from_images) CheckPixelLayout(array, entry.preprocess);
      for (const auto* values : {&entry.preprocess.mean, &entry.preprocess.std}) {
        if (values->size() != 1 && values->size() != channels) {
          throw Error(ErrorCode::kMalformed,
                      "input '" + Printable(tensor.name) + "': preprocess has " +
                          std::to_string(values->size()) + " values for " +
                          std::to_string(channels) + " channels in " + array.description());
        }
      }
    } else if (array.dtype() != wanted) {
      throw Error(ErrorCode::kMalformed, array.description() + " holds " +
                                             std::string(DTypeName(array.dtype())) + ", tensor '" +
                                             Printable(tensor.name) + "' is " +
                                             std::string(DTypeName(wanted)));
    }
    names_.insert(tensor.name);
    entry.tensor = std::move(tensor);
    entries_.push_back(std::move(entry));
  }
  ADAROUND_CHECK(!entries_.empty());
  indices_.resize(static_cast<size_t>(entries_.front().tensor.x->num_samples()));
  std::iota(indices_.begin(), indices_.end(), int64_t{0});
}

CalibrationSet CalibrationSet::Select(const std::vector<int64_t>& samples) const {
  CalibrationSet selected = *this;
  selected.indices_.clear();
  for (const int64_t sample : samples) {
    selected.indices_.push_back(indices_.at(static_cast<size_t>(sample)));
  }
  return selected;
}

CalibrationSet CalibrationSet::Spread(int64_t count) const {
  if (count > num_samples()) {
    throw Error(ErrorCode::kInvalidArgument, "the data holds " + std::to_string(num_samples()) +
                                                 " samples, " + std::to_string(count) +
                                                 " were asked for (--calib-samples)");
  }
  std::vector<int64_t> samples;
  for (int64_t i = 0; i < count; ++i) samples.push_back(i * num_samples() / count);
  return Select(samples);
}

const CalibrationSet::Entry& CalibrationSet::Find(const std::string& name) const {
  for (const Entry& entry : entries_) {
    if (entry.tensor.name == name) return entry;
  }
  ADAROUND_CHECK(false);
}

Tensor CalibrationSet::FloatSample(const std::string& name, int64_t sample) const {
  const Entry& entry = Find(name);
  const Tensor stored = entry.tensor.x->ReadSamples(indices_[static_cast<size_t>(sample)], 1);
  return entry.is_image ? ApplyPreprocess(stored, entry.preprocess) : stored;
}

Tensor CalibrationSet::QuantizedSample(const std::string& name, int64_t sample) const {
  const Entry& entry = Find(name);
  if (!entry.tensor.x_hat) return FloatSample(name, sample);
  const Tensor stored = entry.tensor.x_hat->ReadSamples(indices_[static_cast<size_t>(sample)], 1);
  return entry.is_image ? ApplyPreprocess(stored, entry.preprocess) : stored;
}

bool CalibrationSet::applies_preprocess() const {
  return std::any_of(entries_.begin(), entries_.end(),
                     [](const Entry& entry) { return entry.is_image; });
}

int64_t CalibrationSet::cache_bytes() const {
  int64_t bytes = 0;
  for (const Entry& entry : entries_) {
    bytes += entry.tensor.x->cache_bytes();
    if (entry.tensor.x_hat) bytes += entry.tensor.x_hat->cache_bytes();
  }
  return bytes;
}

void CalibrationSet::CheckUsable() const {
  if (num_samples() < 2) {
    throw Error(ErrorCode::kMalformed,
                entries_.front().tensor.x->description() +
                    " holds one sample; calibration needs at least 2, a few hundred are better");
  }
  for (const Entry& entry : entries_) {
    const Tensor first = entry.tensor.x->ReadSamples(indices_[0], 1);
    const bool constant = std::all_of(indices_.begin() + 1, indices_.end(), [&](int64_t index) {
      const Tensor other = entry.tensor.x->ReadSamples(index, 1);
      return std::memcmp(first.raw(), other.raw(), first.num_bytes()) == 0;
    });
    if (constant) {
      throw Error(ErrorCode::kMalformed, "all " + std::to_string(num_samples()) + " samples of " +
                                             entry.tensor.x->description() +
                                             " are the same; calibration needs different ones");
    }
  }
}

}  // namespace adaround
