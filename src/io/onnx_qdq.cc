#include "io/onnx_qdq.h"

#include <algorithm>
#include <set>
#include <utility>

#include "adaround/base/error.h"
#include "graph/name_book.h"
#include "graph/passes/upgrade_opset.h"
#include "graph/tensor_types.h"
#include "io/file_error.h"
#include "quant/packing.h"

namespace adaround {
namespace {

constexpr int64_t kPerAxisOpset = 13;  // DequantizeLinear with an axis
constexpr int64_t kFourBitOpset = 21;  // INT4, UINT4 and block_size
constexpr int kFourBits = 4;

bool IsSigned(const QuantGrid& grid) {
  return grid.q_min < 0;
}

// More than one scale along a row: shorter rows are per channel.
bool IsBlocked(const QuantizedTensor& tensor) {
  return tensor.grid.GroupsPerRow(tensor.layout.RowLength(tensor.shape)) > 1;
}

int64_t NeededOpset(const QuantizedModel& model) {
  int64_t opset = kPerAxisOpset;
  for (const auto& [name, tensor] : model.weights) {
    if (tensor.grid.bit_width <= kFourBits || IsBlocked(tensor)) opset = kFourBitOpset;
  }
  return std::max(opset, model.graph.opset);
}

// Types of the tensors that the graph reads and does not hold.
std::map<std::string, TensorType> StoredTypes(const QuantizedModel& model) {
  std::map<std::string, TensorType> types;
  for (const auto& [name, tensor] : model.weights) {
    types[name] = {DType::kFloat32, static_cast<int64_t>(tensor.shape.size()), std::nullopt};
  }
  for (const auto& [name, bias] : model.biases) types[name] = {DType::kFloat32, 1, std::nullopt};
  return types;
}

class QdqBuilder {
 public:
  explicit QdqBuilder(const QuantizedModel& model) : model_(model) {
    CheckGrids(model);
    graph_ = model.graph;
    const std::map<std::string, TensorType> stored = StoredTypes(model);
    UpgradeOpset(graph_, NeededOpset(model), stored);
    graph_.SortTopologically();
    types_ = InferTypes(graph_, stored);
    CollectNames();
  }

  OnnxDocument Build() {
    const std::map<std::string, std::vector<size_t>> consumers = graph_.Consumers();
    for (const auto& [name, tensor] : model_.weights) {
      const auto readers = consumers.find(name);
      const bool is_read = readers != consumers.end();
      if (!is_read && !graph_.IsOutput(name)) continue;
      AddWeight(name, tensor, is_read ? readers->second : std::vector<size_t>());
    }
    for (const auto& [name, bias] : model_.biases) AddBias(name, bias);
    ReplaceProducts(consumers);
    FindMakersAndReaders();
    for (const auto& [name, grid] : model_.activations) AddActivation(name, grid);
    for (Node& node : added_) graph_.nodes.push_back(std::move(node));
    graph_.SortTopologically();
    document_.graph = std::move(graph_);
    return std::move(document_);
  }

 private:
  void CollectNames() {
    tensors_ = TensorNames(graph_);
    nodes_ = NodeNames(graph_);
    for (const auto& [name, tensor] : model_.weights) tensors_.Add(name);
    for (const auto& [name, bias] : model_.biases) tensors_.Add(name);
  }

  // A node that makes `output`, called after it.
  Node NewNode(const std::string& op, std::vector<std::string> inputs, const std::string& output,
               std::map<std::string, Attribute> attributes = {}) {
    return adaround::NewNode(nodes_, op, std::move(inputs), output, std::move(attributes));
  }

  // The same with an output whose name is derived from `wanted`; returns that name.
  std::string AddNode(const std::string& op, std::vector<std::string> inputs,
                      const std::string& wanted, std::map<std::string, Attribute> attributes = {}) {
    const std::string output = tensors_.Fresh(wanted);
    added_.push_back(NewNode(op, std::move(inputs), output, std::move(attributes)));
    return output;
  }

  std::string AddInitializer(const std::string& wanted, Tensor value) {
    const std::string name = tensors_.Fresh(wanted);
    graph_.initializers.emplace(name, std::move(value));
    return name;
  }

  // A vector of whole numbers; equal ones share an initializer.
  std::string Integers(const std::vector<int64_t>& values) {
    std::string& name = integers_[values];
    if (name.empty()) {
      std::string wanted = "adaround_ints";
      for (const int64_t value : values) wanted += "_" + std::to_string(value);
      name = AddInitializer(
          wanted, Tensor::FromVector<int64_t>({static_cast<int64_t>(values.size())}, values));
    }
    return name;
  }

  // Integers of a weight's grid in its narrowest type: at up to 4 bits INT4 or UINT4.
  std::string AddGridIntegers(const std::string& wanted, const QuantGrid& grid, const Shape& shape,
                              const std::vector<int16_t>& values) {
    if (grid.bit_width > kFourBits) {
      const Tensor wide = Tensor::FromVector<int16_t>(shape, values);
      return AddInitializer(wanted, ConvertTo(wide, IsSigned(grid) ? DType::kInt8 : DType::kUInt8));
    }
    PackedInitializer packed;
    packed.data_type = IsSigned(grid) ? kOnnxInt4 : kOnnxUInt4;
    packed.shape = shape;
    packed.bytes = PackIntegers(values, kFourBits);
    const std::string name = tensors_.Fresh(wanted);
    document_.packed.emplace(name, std::move(packed));
    return name;
  }

  // How a weight's integers are laid out in the file and which of their axes the scales follow.
  struct Storage {
    Shape shape;
    std::vector<int16_t> integers;
    Shape scale_shape;
    std::vector<float> scale;
    std::vector<int16_t> zero_point;
    std::optional<int64_t> axis;        // nothing: one scale for all
    std::optional<int64_t> block_size;  // along `axis`
  };

  // As the matrix [rows, row_length] of the weight's layout.
  static Storage RowStorage(const QuantizedTensor& tensor) {
    const int64_t rows = tensor.layout.NumRows(tensor.shape);
    const int64_t row_length = tensor.layout.RowLength(tensor.shape);
    Storage storage;
    storage.shape = {rows, row_length};
    storage.integers.reserve(tensor.integers.size());
    for (const int64_t at : tensor.layout.RowMajorPositions(tensor.shape)) {
      storage.integers.push_back(tensor.integers[static_cast<size_t>(at)]);
    }
    SetScales(tensor, storage);
    if (tensor.grid.scale.size() == 1) return storage;
    storage.axis = 0;
    storage.scale_shape = {rows};
    if (IsBlocked(tensor)) {
      storage.axis = 1;
      storage.block_size = tensor.grid.group_size;
      storage.scale_shape = {rows, tensor.grid.GroupsPerRow(row_length)};
    }
    return storage;
  }

  // In the weight's own shape; nothing where the scales follow no axis of it.
  static std::optional<Storage> OwnStorage(const QuantizedTensor& tensor) {
    const bool blocked = IsBlocked(tensor);
    const ChannelLayout& layout = tensor.layout;
    Storage storage;
    storage.shape = tensor.shape;
    storage.integers = tensor.integers;
    SetScales(tensor, storage);
    if (tensor.grid.scale.size() == 1) return storage;
    if (!blocked) {
      const int64_t rows = layout.NumRows(tensor.shape);
      // In a depthwise ConvTranspose the input channels are the rows.
      const bool depthwise = layout.groups == tensor.shape[0] && rows == tensor.shape[0];
      if (layout.groups != 1 && !depthwise) return std::nullopt;
      storage.axis = depthwise ? 0 : layout.axis;
      storage.scale_shape = {rows};
      return storage;
    }
    if (tensor.shape.size() != 2 || layout.groups != 1) return std::nullopt;
    const int64_t rows = layout.NumRows(tensor.shape);
    const int64_t blocks = tensor.grid.GroupsPerRow(layout.RowLength(tensor.shape));
    storage.block_size = tensor.grid.group_size;
    storage.axis = 1 - layout.axis;
    storage.scale_shape = {rows, blocks};
    if (layout.axis == 0) return storage;
    storage.scale_shape = {blocks, rows};
    for (int64_t block = 0; block < blocks; ++block) {
      for (int64_t row = 0; row < rows; ++row) {
        const auto from = static_cast<size_t>(row * blocks + block);
        const auto to = static_cast<size_t>(block * rows + row);
        storage.scale[to] = tensor.grid.scale[from];
        storage.zero_point[to] = static_cast<int16_t>(tensor.grid.zero_point[from]);
      }
    }
    return storage;
  }

  static void SetScales(const QuantizedTensor& tensor, Storage& storage) {
    storage.scale = tensor.grid.scale;
    storage.zero_point.assign(tensor.grid.zero_point.begin(), tensor.grid.zero_point.end());
  }

  // DequantizeLinear of the stored integers into `output`.
  void Dequantize(const std::string& name, const QuantGrid& grid, const Storage& storage,
                  const std::string& output) {
    std::map<std::string, Attribute> attributes;
    if (storage.axis) attributes["axis"] = *storage.axis;
    if (storage.block_size) attributes["block_size"] = *storage.block_size;
    const std::string integers =
        AddGridIntegers(name + "_quantized", grid, storage.shape, storage.integers);
    const std::string scale = AddInitializer(
        name + "_scale", Tensor::FromVector<float>(storage.scale_shape, storage.scale));
    const std::string zero_point =
        AddGridIntegers(name + "_zero_point", grid, storage.scale_shape, storage.zero_point);
    added_.push_back(
        NewNode("DequantizeLinear", {integers, scale, zero_point}, output, std::move(attributes)));
  }

  // The node multiplies its first input by the matrix `weight` [K, N]. Runtimes fuse such products
  // with DequantizeLinear into ones that round their input; they leave Gemm(transB = 1) alone.
  bool MultipliesBy(const Node& node, const std::string& weight) const {
    const bool is_product =
        node.op == "MatMul" || (node.op == "Gemm" && node.GetInt("transB", 0) == 0);
    return is_product && node.outputs.size() == 1 && node.inputs.size() >= 2 &&
           node.inputs[1] == weight &&
           std::count(node.inputs.begin(), node.inputs.end(), weight) == 1;
  }

  // [N, K] of a matrix [K, N]. Rows and the order in them, and with them the grid, stay.
  static QuantizedTensor Transposed(const QuantizedTensor& tensor) {
    QuantizedTensor result = tensor;
    const auto height = static_cast<size_t>(tensor.shape[0]);
    const auto width = static_cast<size_t>(tensor.shape[1]);
    std::swap(result.shape[0], result.shape[1]);
    result.layout.axis = 1 - tensor.layout.axis;
    for (size_t i = 0; i < height; ++i) {
      for (size_t j = 0; j < width; ++j) {
        result.integers[j * height + i] = tensor.integers[i * width + j];
      }
    }
    return result;
  }

  void AddWeight(const std::string& name, const QuantizedTensor& tensor,
                 const std::vector<size_t>& readers) {
    const bool is_matrix = tensor.shape.size() == 2 && tensor.layout.groups == 1;
    const auto num_products = std::count_if(readers.begin(), readers.end(), [&](size_t node) {
      return is_matrix && MultipliesBy(graph_.nodes[node], name);
    });
    if (num_products > 0) {
      const std::string transposed = tensors_.Fresh(name + "_transposed");
      const QuantizedTensor stored = Transposed(tensor);
      Dequantize(name, stored.grid, *OwnStorage(stored), transposed);
      transposed_[name] = transposed;
      if (static_cast<size_t>(num_products) == readers.size() && !graph_.IsOutput(name)) return;
    }
    if (const std::optional<Storage> own = OwnStorage(tensor)) {
      Dequantize(name, tensor.grid, *own, name);
      return;
    }
    const std::string rows = tensors_.Fresh(name + "_rows");
    Dequantize(name, tensor.grid, RowStorage(tensor), rows);
    AddReshapeFromRows(name, tensor, rows);
  }

  // From [rows, row_length] back to the weight's shape, as `name`.
  void AddReshapeFromRows(const std::string& name, const QuantizedTensor& tensor,
                          const std::string& rows) {
    const Shape& shape = tensor.shape;
    if (tensor.layout.axis == 0) {
      added_.push_back(NewNode("Reshape", {rows, Integers(shape)}, name));
      return;
    }
    // A row holds one output channel of one group: [groups, outputs, inputs, ...].
    ADAROUND_CHECK(tensor.layout.axis == 1);
    const int64_t groups = tensor.layout.groups;
    Shape split = {groups, shape[1], shape[0] / groups};
    split.insert(split.end(), shape.begin() + 2, shape.end());
    std::vector<int64_t> order = {0, 2, 1};
    for (size_t d = order.size(); d < split.size(); ++d) order.push_back(static_cast<int64_t>(d));
    const std::string grouped = AddNode("Reshape", {rows, Integers(split)}, name + "_grouped");
    const std::string moved =
        AddNode("Transpose", {grouped}, name + "_moved", {{"perm", std::move(order)}});
    added_.push_back(NewNode("Reshape", {moved, Integers(shape)}, name));
  }

  void AddBias(const std::string& name, const QuantizedBias& bias) {
    const auto count = static_cast<int64_t>(bias.integers.size());
    const bool one_scale = bias.scale.size() == 1;
    const std::string integers =
        AddInitializer(name + "_quantized", Tensor::FromVector<int32_t>({count}, bias.integers));
    const std::string scale = AddInitializer(
        name + "_scale", Tensor::FromVector<float>(one_scale ? Shape{} : Shape{count}, bias.scale));
    std::map<std::string, Attribute> attributes;
    if (!one_scale) attributes["axis"] = int64_t{0};
    added_.push_back(NewNode("DequantizeLinear", {integers, scale}, name, std::move(attributes)));
  }

  // The Add of one number per column behind a MatMul, where nothing else sees the product.
  std::optional<size_t> FindBiasAdd(const std::map<std::string, std::vector<size_t>>& consumers,
                                    const std::string& product, int64_t columns) const {
    const auto readers = consumers.find(product);
    if (readers == consumers.end() || readers->second.size() != 1 || graph_.IsOutput(product) ||
        model_.activations.contains(product)) {
      return std::nullopt;
    }
    const Node& add = graph_.nodes[readers->second.front()];
    if (add.op != "Add" || add.inputs.size() != 2 || add.outputs.size() != 1) return std::nullopt;
    const std::string& other = add.inputs[add.inputs[0] == product ? 1 : 0];
    const auto stored = model_.biases.find(other);
    if (stored != model_.biases.end()) {
      if (static_cast<int64_t>(stored->second.integers.size()) != columns) return std::nullopt;
      return readers->second.front();
    }
    const auto found = graph_.initializers.find(other);
    if (found == graph_.initializers.end() || found->second.dtype() != DType::kFloat32) {
      return std::nullopt;
    }
    const Shape& shape = found->second.shape();
    // A row [1, N] would add a dimension to a vector.
    const bool is_row = shape == Shape{1, columns} && types_.at(product).rank.value_or(1) > 1;
    if (shape != Shape{columns} && !is_row) return std::nullopt;
    return readers->second.front();
  }

  void ReplaceProducts(const std::map<std::string, std::vector<size_t>>& consumers) {
    std::set<size_t> replaced;
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      if (graph_.nodes[i].inputs.size() < 2) continue;
      const std::string weight = graph_.nodes[i].inputs[1];
      const auto found = transposed_.find(weight);
      if (found == transposed_.end() || !MultipliesBy(graph_.nodes[i], weight)) continue;
      const Shape& shape = model_.weights.at(weight).shape;
      Node gemm = graph_.nodes[i];
      gemm.inputs[1] = found->second;
      gemm.attributes["transB"] = int64_t{1};
      if (gemm.op == "Gemm") {
        graph_.nodes[i] = std::move(gemm);
        continue;
      }
      if (const auto add = FindBiasAdd(consumers, gemm.outputs[0], shape[1])) {
        const Node& node = graph_.nodes[*add];
        gemm.inputs.push_back(node.inputs[node.inputs[0] == gemm.outputs[0] ? 1 : 0]);
        gemm.outputs = node.outputs;
        replaced.insert(*add);
      }
      gemm.op = "Gemm";
      if (types_[gemm.inputs[0]].rank != 2) MakeMatrix(gemm, shape[0], shape[1]);
      graph_.nodes[i] = std::move(gemm);
    }
    std::vector<Node> kept;
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      if (!replaced.contains(i)) kept.push_back(std::move(graph_.nodes[i]));
    }
    graph_.nodes = std::move(kept);
  }

  // Makes one matrix of all of a Gemm's input but its last axis, and splits the result again.
  void MakeMatrix(Node& gemm, int64_t inner, int64_t columns) {
    const std::string x = gemm.inputs[0];
    const std::string y = gemm.outputs[0];
    std::string& matrix = matrices_[x];
    if (matrix.empty()) {
      matrix = AddNode("Reshape", {x, Integers({-1, inner})}, x + "_matrix");
    }
    std::string& head = heads_[x];
    if (head.empty()) {
      const std::string shape = AddNode("Shape", {x}, x + "_shape");
      head = AddNode("Slice", {shape, Integers({0}), Integers({-1}), Integers({0})}, x + "_head");
    }
    const std::string shape =
        AddNode("Concat", {head, Integers({columns})}, y + "_shape", {{"axis", int64_t{0}}});
    gemm.inputs[0] = matrix;
    gemm.outputs[0] = tensors_.Fresh(y + "_matrix");
    added_.push_back(NewNode("Reshape", {gemm.outputs[0], shape}, y));
  }

  void AddActivation(const std::string& name, const ActivationGrid& grid) {
    if (graph_.initializers.contains(name) || model_.weights.contains(name) ||
        model_.biases.contains(name)) {
      return;
    }
    std::string before = name;
    std::string after = name;
    if (inputs_.contains(name)) {
      if (graph_.IsOutput(name)) {
        throw Error(ErrorCode::kUnsupported,
                    "tensor " + Quoted(name) +
                        " is input, output and on a grid at once, which ONNX cannot say; take it "
                        "from the graph's outputs");
      }
      after = tensors_.Fresh(name + "_dequantized");
      for (const size_t reader : readers_[name]) {
        std::vector<std::string>& inputs = NodeAt(reader).inputs;
        std::replace(inputs.begin(), inputs.end(), name, after);
      }
    } else {
      before = tensors_.Fresh(name + "_float");
      if (!RenameOutput(name, before)) {
        throw Error(ErrorCode::kInvalidArgument,
                    "the activation " + Quoted(name) + " is no tensor of the graph");
      }
    }
    std::string x = before;
    if (grid.bit_width < kMaxBitWidth) {
      // QuantizeLinear clips to the integers of 8 bits alone.
      const auto bound = [&](const char* suffix, int32_t q) {
        return AddInitializer(name + suffix,
                              Tensor::Scalar(grid.scale * static_cast<float>(q - grid.zero_point)));
      };
      x = AddNode("Clip", {x, bound("_low", 0), bound("_high", grid.q_max())}, name + "_clipped");
    }
    const std::string scale = AddInitializer(name + "_scale", Tensor::Scalar(grid.scale));
    const std::string zero_point =
        AddInitializer(name + "_zero_point", Tensor::Scalar(static_cast<uint8_t>(grid.zero_point)));
    const std::string integers =
        AddNode("QuantizeLinear", {x, scale, zero_point}, name + "_quantized");
    added_.push_back(NewNode("DequantizeLinear", {integers, scale, zero_point}, after));
  }

  // The graph's nodes, then the added ones.
  Node& NodeAt(size_t index) {
    const size_t num_own = graph_.nodes.size();
    return index < num_own ? graph_.nodes[index] : added_[index - num_own];
  }

  // Of the activations, before AddActivation adds nodes of its own.
  void FindMakersAndReaders() {
    for (const GraphInput& input : graph_.inputs) inputs_.insert(input.name);
    for (size_t i = 0; i < graph_.nodes.size() + added_.size(); ++i) {
      for (const std::string& output : NodeAt(i).outputs) {
        if (model_.activations.contains(output)) makers_[output] = i;
      }
      for (const std::string& input : NodeAt(i).inputs) {
        if (inputs_.contains(input)) readers_[input].push_back(i);
      }
    }
  }

  // True where a node makes `name`, which it now calls `fresh`.
  bool RenameOutput(const std::string& name, const std::string& fresh) {
    const auto maker = makers_.find(name);
    if (maker == makers_.end()) return false;
    std::vector<std::string>& outputs = NodeAt(maker->second).outputs;
    *std::find(outputs.begin(), outputs.end(), name) = fresh;
    return true;
  }

  const QuantizedModel& model_;
  OnnxDocument document_;
  Graph graph_;
  std::map<std::string, TensorType> types_;
  NameBook tensors_;
  NameBook nodes_;
  std::vector<Node> added_;
  std::map<std::string, std::string> transposed_;         // dequantized [N, K], by the weight
  std::map<std::vector<int64_t>, std::string> integers_;  // initializers by content
  std::map<std::string, std::string> matrices_;           // by the tensor made into a matrix
  std::map<std::string, std::string> heads_;              // all extents but the last, likewise
  std::set<std::string> inputs_;                          // of the graph
  std::map<std::string, size_t> makers_;                  // NodeAt() of activations
  std::map<std::string, std::vector<size_t>> readers_;    // NodeAt() by the graph's input
};

}  // namespace

void CheckGrids(const QuantizedModel& model) {
  std::vector<std::string> violations;
  const auto add = [&](const std::string& name, const std::vector<std::string>& found) {
    for (const std::string& violation : found) {
      violations.push_back("tensor " + Quoted(name) + ": " + violation);
    }
  };
  for (const auto& [name, tensor] : model.weights) {
    add(name, tensor.Validate());
    const QuantGrid& grid = tensor.grid;
    if (IsSigned(grid) && grid.q_max >= 1 << (grid.bit_width - 1)) {
      add(name, {"its range " + std::to_string(grid.q_min) + " to " + std::to_string(grid.q_max) +
                 " is neither signed nor unsigned at " + std::to_string(grid.bit_width) + " bits"});
    }
  }
  for (const auto& [name, grid] : model.activations) add(name, grid.Validate());
  for (const auto& [name, bias] : model.biases) {
    const bool fits = bias.scale.size() == 1 || bias.scale.size() == bias.integers.size();
    if (bias.scale.empty() || !fits) {
      add(name, {"found " + std::to_string(bias.scale.size()) + " scales for " +
                 std::to_string(bias.integers.size()) + " biases, wanted one or as many"});
    }
  }
  ThrowIfAny(ErrorCode::kInvalidArgument, violations);
}

OnnxDocument MakeQdqDocument(const QuantizedModel& model) {
  return QdqBuilder(model).Build();
}

}  // namespace adaround
