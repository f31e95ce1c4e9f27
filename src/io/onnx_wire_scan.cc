#include "io/onnx_wire_scan.h"

#include <algorithm>
#include <iterator>
#include <optional>

#include "io/file_error.h"

namespace adaround {
namespace {

enum class Kind : uint8_t { kVarint, kFixed32, kFixed64, kText, kMessage };

struct MessageType;

struct Field {
  uint32_t number;
  Kind kind;
  bool repeated;
  const char* name;
  const MessageType* (*type)();  // of kMessage
};

struct MessageType {
  const char* name;
  std::span<const Field> fields;
};

template <const MessageType& type>
const MessageType* TypeOf() {
  return &type;
}

constexpr Field One(uint32_t number, Kind kind, const char* name) {
  return {number, kind, false, name, nullptr};
}

constexpr Field Many(uint32_t number, Kind kind, const char* name) {
  return {number, kind, true, name, nullptr};
}

template <const MessageType& type>
constexpr Field OneOf(uint32_t number, const char* name) {
  return {number, Kind::kMessage, false, name, TypeOf<type>};
}

template <const MessageType& type>
constexpr Field ManyOf(uint32_t number, const char* name) {
  return {number, Kind::kMessage, true, name, TypeOf<type>};
}

extern const MessageType kModel;
extern const MessageType kGraph;
extern const MessageType kNode;
extern const MessageType kAttribute;
extern const MessageType kFunction;
extern const MessageType kTraining;
extern const MessageType kTensor;
extern const MessageType kSegment;
extern const MessageType kSparseTensor;
extern const MessageType kValueInfo;
extern const MessageType kTypeProto;
extern const MessageType kTensorType;
extern const MessageType kSequenceType;
extern const MessageType kMapType;
extern const MessageType kOpaqueType;
extern const MessageType kShape;
extern const MessageType kDimension;
extern const MessageType kAnnotation;
extern const MessageType kEntry;
extern const MessageType kOperatorSet;

// Field numbers of onnx-ml.proto, those that later releases added included.
constexpr Field kModelFields[] = {
    One(1, Kind::kVarint, "ir_version"),
    One(2, Kind::kText, "producer_name"),
    One(3, Kind::kText, "producer_version"),
    One(4, Kind::kText, "domain"),
    One(5, Kind::kVarint, "model_version"),
    One(6, Kind::kText, "doc_string"),
    OneOf<kGraph>(7, "graph"),
    ManyOf<kOperatorSet>(8, "opset_import"),
    ManyOf<kEntry>(14, "metadata_props"),
    ManyOf<kTraining>(20, "training_info"),
    ManyOf<kFunction>(25, "functions"),
};
constexpr Field kTrainingFields[] = {
    OneOf<kGraph>(1, "initialization"),
    OneOf<kGraph>(2, "algorithm"),
    ManyOf<kEntry>(3, "initialization_binding"),
    ManyOf<kEntry>(4, "update_binding"),
};
constexpr Field kFunctionFields[] = {
    One(1, Kind::kText, "name"),
    One(2, Kind::kVarint, "since_version"),
    One(3, Kind::kVarint, "status"),
    Many(4, Kind::kText, "input"),
    Many(5, Kind::kText, "output"),
    Many(6, Kind::kText, "attribute"),
    ManyOf<kNode>(7, "node"),
    One(8, Kind::kText, "doc_string"),
    ManyOf<kOperatorSet>(9, "opset_import"),
    One(10, Kind::kText, "domain"),
    ManyOf<kAttribute>(11, "attribute_proto"),
    ManyOf<kValueInfo>(12, "value_info"),
    One(13, Kind::kText, "overload"),
    ManyOf<kEntry>(14, "metadata_props"),
};
constexpr Field kGraphFields[] = {
    ManyOf<kNode>(1, "node"),
    One(2, Kind::kText, "name"),
    ManyOf<kTensor>(5, "initializer"),
    One(10, Kind::kText, "doc_string"),
    ManyOf<kValueInfo>(11, "input"),
    ManyOf<kValueInfo>(12, "output"),
    ManyOf<kValueInfo>(13, "value_info"),
    ManyOf<kAnnotation>(14, "quantization_annotation"),
    ManyOf<kSparseTensor>(15, "sparse_initializer"),
    ManyOf<kEntry>(16, "metadata_props"),
};
constexpr Field kNodeFields[] = {
    Many(1, Kind::kText, "input"),       Many(2, Kind::kText, "output"),
    One(3, Kind::kText, "name"),         One(4, Kind::kText, "op_type"),
    ManyOf<kAttribute>(5, "attribute"),  One(6, Kind::kText, "doc_string"),
    One(7, Kind::kText, "domain"),       One(8, Kind::kText, "overload"),
    ManyOf<kEntry>(9, "metadata_props"),
};
constexpr Field kAttributeFields[] = {
    One(1, Kind::kText, "name"),
    One(2, Kind::kFixed32, "f"),
    One(3, Kind::kVarint, "i"),
    One(4, Kind::kText, "s"),
    OneOf<kTensor>(5, "t"),
    OneOf<kGraph>(6, "g"),
    Many(7, Kind::kFixed32, "floats"),
    Many(8, Kind::kVarint, "ints"),
    Many(9, Kind::kText, "strings"),
    ManyOf<kTensor>(10, "tensors"),
    ManyOf<kGraph>(11, "graphs"),
    One(13, Kind::kText, "doc_string"),
    OneOf<kTypeProto>(14, "tp"),
    ManyOf<kTypeProto>(15, "type_protos"),
    One(20, Kind::kVarint, "type"),
    One(21, Kind::kText, "ref_attr_name"),
    OneOf<kSparseTensor>(22, "sparse_tensor"),
    ManyOf<kSparseTensor>(23, "sparse_tensors"),
};
constexpr Field kTensorFields[] = {
    Many(1, Kind::kVarint, "dims"),         One(2, Kind::kVarint, "data_type"),
    OneOf<kSegment>(3, "segment"),          Many(4, Kind::kFixed32, "float_data"),
    Many(5, Kind::kVarint, "int32_data"),   Many(6, Kind::kText, "string_data"),
    Many(7, Kind::kVarint, "int64_data"),   One(8, Kind::kText, "name"),
    One(9, Kind::kText, "raw_data"),        Many(10, Kind::kFixed64, "double_data"),
    Many(11, Kind::kVarint, "uint64_data"), One(12, Kind::kText, "doc_string"),
    ManyOf<kEntry>(13, "external_data"),    One(14, Kind::kVarint, "data_location"),
    ManyOf<kEntry>(16, "metadata_props"),
};
constexpr Field kSegmentFields[] = {One(1, Kind::kVarint, "begin"), One(2, Kind::kVarint, "end")};
constexpr Field kSparseTensorFields[] = {
    OneOf<kTensor>(1, "values"),
    OneOf<kTensor>(2, "indices"),
    Many(3, Kind::kVarint, "dims"),
};
constexpr Field kValueInfoFields[] = {
    One(1, Kind::kText, "name"),
    OneOf<kTypeProto>(2, "type"),
    One(3, Kind::kText, "doc_string"),
    ManyOf<kEntry>(4, "metadata_props"),
};
constexpr Field kTypeProtoFields[] = {
    OneOf<kTensorType>(1, "tensor_type"),     OneOf<kSequenceType>(4, "sequence_type"),
    OneOf<kMapType>(5, "map_type"),           One(6, Kind::kText, "denotation"),
    OneOf<kOpaqueType>(7, "opaque_type"),     OneOf<kTensorType>(8, "sparse_tensor_type"),
    OneOf<kSequenceType>(9, "optional_type"),
};
constexpr Field kTensorTypeFields[] = {
    One(1, Kind::kVarint, "elem_type"),
    OneOf<kShape>(2, "shape"),
};
constexpr Field kSequenceTypeFields[] = {OneOf<kTypeProto>(1, "elem_type")};
constexpr Field kMapTypeFields[] = {
    One(1, Kind::kVarint, "key_type"),
    OneOf<kTypeProto>(2, "value_type"),
};
constexpr Field kOpaqueTypeFields[] = {One(1, Kind::kText, "domain"), One(2, Kind::kText, "name")};
constexpr Field kShapeFields[] = {ManyOf<kDimension>(1, "dim")};
constexpr Field kDimensionFields[] = {
    One(1, Kind::kVarint, "dim_value"),
    One(2, Kind::kText, "dim_param"),
    One(3, Kind::kText, "denotation"),
};
constexpr Field kAnnotationFields[] = {
    One(1, Kind::kText, "tensor_name"),
    ManyOf<kEntry>(2, "quant_parameter_tensor_names"),
};
constexpr Field kEntryFields[] = {One(1, Kind::kText, "key"), One(2, Kind::kText, "value")};
constexpr Field kOperatorSetFields[] = {
    One(1, Kind::kText, "domain"),
    One(2, Kind::kVarint, "version"),
};

constexpr MessageType kModel = {"ModelProto", kModelFields};
constexpr MessageType kGraph = {"GraphProto", kGraphFields};
constexpr MessageType kNode = {"NodeProto", kNodeFields};
constexpr MessageType kAttribute = {"AttributeProto", kAttributeFields};
constexpr MessageType kFunction = {"FunctionProto", kFunctionFields};
constexpr MessageType kTraining = {"TrainingInfoProto", kTrainingFields};
constexpr MessageType kTensor = {"TensorProto", kTensorFields};
constexpr MessageType kSegment = {"TensorProto.Segment", kSegmentFields};
constexpr MessageType kSparseTensor = {"SparseTensorProto", kSparseTensorFields};
constexpr MessageType kValueInfo = {"ValueInfoProto", kValueInfoFields};
constexpr MessageType kTypeProto = {"TypeProto", kTypeProtoFields};
constexpr MessageType kTensorType = {"TypeProto.Tensor", kTensorTypeFields};
constexpr MessageType kSequenceType = {"TypeProto.Sequence", kSequenceTypeFields};
constexpr MessageType kMapType = {"TypeProto.Map", kMapTypeFields};
constexpr MessageType kOpaqueType = {"TypeProto.Opaque", kOpaqueTypeFields};
constexpr MessageType kShape = {"TensorShapeProto", kShapeFields};
constexpr MessageType kDimension = {"TensorShapeProto.Dimension", kDimensionFields};
constexpr MessageType kAnnotation = {"TensorAnnotation", kAnnotationFields};
constexpr MessageType kEntry = {"StringStringEntryProto", kEntryFields};
constexpr MessageType kOperatorSet = {"OperatorSetIdProto", kOperatorSetFields};

constexpr uint32_t kWireVarint = 0;
constexpr uint32_t kWireFixed64 = 1;
constexpr uint32_t kWireLength = 2;
constexpr uint32_t kWireFixed32 = 5;

const Field* FindField(const MessageType& type, uint64_t number) {
  const auto found = std::find_if(type.fields.begin(), type.fields.end(),
                                  [&](const Field& field) { return field.number == number; });
  return found == type.fields.end() ? nullptr : &*found;
}

uint32_t WireTypeOf(Kind kind) {
  switch (kind) {
    case Kind::kVarint: return kWireVarint;
    case Kind::kFixed32: return kWireFixed32;
    case Kind::kFixed64: return kWireFixed64;
    case Kind::kText:
    case Kind::kMessage: break;
  }
  return kWireLength;
}

class Scanner {
 public:
  Scanner(std::span<const uint8_t> bytes, const std::string& file) : bytes_(bytes), file_(file) {}

  // Bytes [at_, end) are one message.
  void ScanMessage(const MessageType& type, size_t end, int depth) {
    if (depth > kMaxOnnxDepth) {
      ThrowUnsupported(file_, "byte " + std::to_string(at_) + ": messages are nested deeper than " +
                                  std::to_string(kMaxOnnxDepth) +
                                  " levels: bodies of If, Loop and Scan inside each other; "
                                  "flatten the model");
    }
    uint64_t seen = 0;
    while (at_ < end) {
      const size_t begin = at_;
      const uint64_t tag = ReadVarint(end, type.name);
      const uint64_t number = tag >> 3;
      if (tag > UINT32_MAX || number == 0) {
        Fail(begin, std::string("no field of ") + type.name + " begins here");
      }
      const Field* field = FindField(type, number);
      if (field == nullptr) {
        Count(&num_texts_, kMaxOnnxTexts, "names and unknown fields");
        SkipUnknown(static_cast<uint32_t>(tag & 7), end, type);
        continue;
      }
      if (!field->repeated) {
        const uint64_t bit = uint64_t{1} << number;
        if ((seen & bit) != 0) Fail(begin, Title(*field, type) + " is given twice");
        seen |= bit;
      }
      ScanField(*field, static_cast<uint32_t>(tag & 7), begin, end, type, depth);
    }
  }

 private:
  void ScanField(const Field& field, uint32_t wire_type, size_t begin, size_t end,
                 const MessageType& type, int depth) {
    const bool packable = field.repeated && WireTypeOf(field.kind) != kWireLength;
    if (packable && wire_type == kWireLength) return ScanPacked(field, end, type);
    if (wire_type != WireTypeOf(field.kind)) {
      Fail(begin, Title(field, type) + " has wire type " + std::to_string(wire_type) + ", wanted " +
                      std::to_string(WireTypeOf(field.kind)));
    }
    switch (field.kind) {
      case Kind::kVarint:
        if (field.repeated) CountVarint();
        ReadVarint(end, field.name);
        return;
      case Kind::kFixed32: return Skip(4, end, field.name);
      case Kind::kFixed64: return Skip(8, end, field.name);
      case Kind::kText: {
        if (field.repeated) Count(&num_texts_, kMaxOnnxTexts, "names and unknown fields");
        return Skip(ReadVarint(end, field.name), end, field.name);
      }
      case Kind::kMessage: break;
    }
    Count(&num_messages_, kMaxOnnxMessages, "nodes, attributes, tensors and types");
    const uint64_t length = ReadVarint(end, field.name);
    CheckLength(length, end, field.name);
    ScanMessage(*field.type(), at_ + length, depth + 1);
  }

  void ScanPacked(const Field& field, size_t end, const MessageType& type) {
    const uint64_t length = ReadVarint(end, field.name);
    CheckLength(length, end, field.name);
    const size_t begin = at_;
    const size_t stop = at_ + length;
    if (field.kind != Kind::kVarint) {
      const size_t size = field.kind == Kind::kFixed32 ? 4 : 8;
      if (length % size != 0) {
        Fail(begin, Title(field, type) + " has " + std::to_string(length) +
                        " bytes, wanted a multiple of " + std::to_string(size));
      }
      at_ = stop;
      return;
    }
    while (at_ < stop) {
      CountVarint();
      ReadVarint(stop, field.name);
    }
  }

  void SkipUnknown(uint32_t wire_type, size_t end, const MessageType& type) {
    switch (wire_type) {
      case kWireVarint: ReadVarint(end, type.name); return;
      case kWireFixed64: return Skip(8, end, type.name);
      case kWireLength: return Skip(ReadVarint(end, type.name), end, type.name);
      case kWireFixed32: return Skip(4, end, type.name);
      default:
        Fail(at_, std::string("an unknown field of ") + type.name + " has wire type " +
                      std::to_string(wire_type) + ", which ONNX does not use");
    }
  }

  uint64_t ReadVarint(size_t end, const char* what) {
    const size_t begin = at_;
    uint64_t value = 0;
    for (int shift = 0; shift < 70; shift += 7) {
      if (at_ >= end) FailTruncated(begin, what);
      const uint8_t byte = bytes_[at_++];
      if (shift == 63 && byte > 1) break;
      value |= static_cast<uint64_t>(byte & 0x7FU) << shift;
      if (byte < 0x80) return value;
    }
    Fail(begin, std::string("a number in ") + what + " has more than 64 bits");
  }

  void Skip(uint64_t length, size_t end, const char* what) {
    CheckLength(length, end, what);
    at_ += length;
  }

  void CheckLength(uint64_t length, size_t end, const char* what) {
    if (length > end - at_) {
      Fail(at_, std::string("'") + what + "' takes " + std::to_string(length) + " bytes, only " +
                    std::to_string(end - at_) + " are left: the file is truncated or damaged");
    }
  }

  void CountVarint() { Count(&num_varints_, kMaxOnnxVarints, "elements in integer lists"); }

  void Count(int64_t* counter, int64_t limit, const char* what) {
    if (++*counter > limit) {
      ThrowUnsupported(file_, "byte " + std::to_string(at_) + ": holds more than " +
                                  std::to_string(limit) + " " + what +
                                  "; split the model, or store tensors as raw_data");
    }
  }

  static std::string Title(const Field& field, const MessageType& type) {
    return std::string("'") + field.name + "' of " + type.name;
  }

  [[noreturn]] void FailTruncated(size_t at, const char* what) {
    Fail(at, std::string("a number in ") + what + " is cut off: the file is truncated or damaged");
  }

  [[noreturn]] void Fail(size_t at, const std::string& message) {
    ThrowMalformedAt(file_, static_cast<int64_t>(at), message);
  }

  std::span<const uint8_t> bytes_;
  const std::string& file_;
  size_t at_ = 0;
  int64_t num_messages_ = 0;
  int64_t num_texts_ = 0;
  int64_t num_varints_ = 0;
};

}  // namespace

void ScanOnnxModel(std::span<const uint8_t> bytes, const std::string& file) {
  Scanner(bytes, file).ScanMessage(kModel, bytes.size(), 1);
}

bool BeginsLikeOnnxModel(std::span<const uint8_t> head) {
  // Every field number of ModelProto but two takes one byte with its wire type.
  if (head.empty()) return false;
  uint64_t tag = head[0];
  if (tag >= 0x80) {
    if (head.size() < 2 || head[1] >= 0x80) return false;
    tag = (tag & 0x7FU) | static_cast<uint64_t>(head[1]) << 7;
  }
  const Field* field = FindField(kModel, tag >> 3);
  return field != nullptr && (tag & 7) == WireTypeOf(field->kind);
}

}  // namespace adaround
