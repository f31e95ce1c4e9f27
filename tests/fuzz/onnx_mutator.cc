#include "fuzz/onnx_mutator.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/stubs/logging.h>
#include <onnx/onnx_pb.h>

#include <array>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace adaround::fuzz {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr unsigned kEveryNthOfBytes = 5;  // changes
constexpr size_t kMaxChanges = 4;
constexpr int kMaxCopies = 40;          // of an element at once
constexpr size_t kMaxMessages = 2'000;  // that are looked at
constexpr size_t kMaxTextBytes = 4'096;
constexpr size_t kMaxCopiedBytes = 16'384;

constexpr std::array<int64_t, 20> kIntegers = {0,
                                               1,
                                               -1,
                                               2,
                                               3,
                                               4,
                                               8,
                                               16,
                                               255,
                                               65'536,
                                               std::numeric_limits<int32_t>::max(),
                                               std::numeric_limits<int32_t>::min(),
                                               int64_t{1} << 31,
                                               int64_t{1} << 32,
                                               int64_t{1} << 42,
                                               int64_t{1} << 61,
                                               int64_t{1} << 62,
                                               std::numeric_limits<int64_t>::max(),
                                               std::numeric_limits<int64_t>::min(),
                                               -65'536};
constexpr std::array<double, 10> kNumbers = {0.0,
                                             -0.0,
                                             1.0,
                                             -1.0,
                                             0.1,
                                             1e-45,
                                             3e38,
                                             1e300,
                                             std::numeric_limits<double>::infinity(),
                                             std::numeric_limits<double>::quiet_NaN()};
// Operators, attributes, domains, places of external data, and what no name should hold.
constexpr const char* kTexts[] = {"",
                                  "x",
                                  "y",
                                  "w",
                                  "Conv",
                                  "Gemm",
                                  "MatMul",
                                  "Relu",
                                  "Constant",
                                  "If",
                                  "Loop",
                                  "Scan",
                                  "Identity",
                                  "Reshape",
                                  "Cast",
                                  "QuantizeLinear",
                                  "DequantizeLinear",
                                  "BatchNormalization",
                                  "AveragePool",
                                  "Transpose",
                                  "value",
                                  "value_int",
                                  "value_floats",
                                  "to",
                                  "perm",
                                  "kernel_shape",
                                  "then_branch",
                                  "output_dtype",
                                  "location",
                                  "offset",
                                  "length",
                                  "checksum",
                                  "weights.bin",
                                  "../weights.bin",
                                  "/etc/hostname",
                                  "a/../../x",
                                  "-1",
                                  "4",
                                  "18446744073709551616",
                                  "1e3",
                                  "ai.onnx",
                                  "com.microsoft",
                                  "adaround.export",
                                  "qdq",
                                  "adaround.preprocess",
                                  "adaround.provenance",
                                  "adaround.unread_attributes",
                                  "{\"x\": {\"scale\": 1}}",
                                  "\x1b[31m",
                                  "\xff\xfe",
                                  "a::b",
                                  "..",
                                  "%"};

class Mutator {
 public:
  Mutator(Message* root, std::minstd_rand& generator) : root_(root), generator_(generator) {}

  void Change() {
    messages_.clear();
    Collect(root_);
    Message& message = *messages_[Below(messages_.size())];
    const Descriptor& type = *message.GetDescriptor();
    if (type.field_count() == 0) return;
    // Fields that are there more often than such that are not.
    const Reflection& reflection = *message.GetReflection();
    std::vector<const FieldDescriptor*> set;
    reflection.ListFields(message, &set);
    const FieldDescriptor& field = !set.empty() && Below(3) != 0
                                       ? *set[Below(set.size())]
                                       : *type.field(static_cast<int>(Below(type.field_count())));
    field.is_repeated() ? ChangeRepeated(message, field) : ChangeSingle(message, field);
  }

 private:
  template <typename Count>
  size_t Below(Count limit) {
    return generator_() % static_cast<size_t>(limit);
  }

  template <typename Values>
  auto OneOf(const Values& values) {
    return values[Below(std::size(values))];
  }

  void Collect(Message* message) {
    if (messages_.size() >= kMaxMessages) return;
    messages_.push_back(message);
    const Reflection& reflection = *message->GetReflection();
    std::vector<const FieldDescriptor*> fields;
    reflection.ListFields(*message, &fields);
    for (const FieldDescriptor* field : fields) {
      if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
      if (!field->is_repeated()) {
        Collect(reflection.MutableMessage(message, field));
        continue;
      }
      for (int i = 0; i < reflection.FieldSize(*message, field); ++i) {
        Collect(reflection.MutableRepeatedMessage(message, field, i));
      }
    }
  }

  // A copy of some message of this type, or nothing.
  std::unique_ptr<Message> Donor(const Descriptor* type) {
    std::vector<const Message*> donors;
    for (const Message* message : messages_) {
      if (message->GetDescriptor() == type) donors.push_back(message);
    }
    if (donors.empty()) return nullptr;
    const Message& donor = *donors[Below(donors.size())];
    std::unique_ptr<Message> copy(donor.New());
    copy->CopyFrom(donor);
    return copy;
  }

  int64_t Integer(int64_t before) {
    switch (Below(4)) {
      case 0: return static_cast<int64_t>(static_cast<uint64_t>(before) + 1 - 2 * Below(2));
      case 1: return static_cast<int64_t>(Below(32));  // opsets, element types, extents
      default: return OneOf(kIntegers);
    }
  }

  double Number() { return OneOf(kNumbers); }

  // A name from elsewhere in the model, so that edges go new ways, or something else.
  std::string Text(std::string before) {
    switch (Below(6)) {
      case 0: before.resize(Below(2) == 0 ? before.size() / 2 : before.size() + 1, 'z'); break;
      case 1: before.append(Below(kMaxTextBytes), 'n'); break;
      case 2:
        if (!before.empty()) before[Below(before.size())] = static_cast<char>(Below(256));
        break;
      case 3: before = OneOf(kTexts); break;
      default: before = SomeText(); break;
    }
    return before;
  }

  std::string SomeText() {
    const Message& message = *messages_[Below(messages_.size())];
    const Reflection& reflection = *message.GetReflection();
    std::vector<const FieldDescriptor*> fields;
    reflection.ListFields(message, &fields);
    for (const FieldDescriptor* field : fields) {
      if (field->cpp_type() != FieldDescriptor::CPPTYPE_STRING) continue;
      if (!field->is_repeated()) return reflection.GetString(message, field);
      const int count = reflection.FieldSize(message, field);
      return reflection.GetRepeatedString(message, field, static_cast<int>(Below(count)));
    }
    return OneOf(kTexts);
  }

  void ChangeSingle(Message& message, const FieldDescriptor& field) {
    const Reflection& reflection = *message.GetReflection();
    if (Below(6) == 0) return reflection.ClearField(&message, &field);
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        return reflection.SetInt32(
            &message, &field, static_cast<int32_t>(Integer(reflection.GetInt32(message, &field))));
      case FieldDescriptor::CPPTYPE_INT64:
        return reflection.SetInt64(&message, &field, Integer(reflection.GetInt64(message, &field)));
      case FieldDescriptor::CPPTYPE_FLOAT:
        return reflection.SetFloat(&message, &field, static_cast<float>(Number()));
      case FieldDescriptor::CPPTYPE_ENUM:
        return reflection.SetEnumValue(&message, &field, static_cast<int>(Below(16)));
      case FieldDescriptor::CPPTYPE_STRING:
        return reflection.SetString(&message, &field, Text(reflection.GetString(message, &field)));
      case FieldDescriptor::CPPTYPE_MESSAGE: {
        // First: in a oneof the message that was there goes.
        const auto donor = Donor(field.message_type());
        Message* inner = reflection.MutableMessage(&message, &field);
        if (donor) inner->CopyFrom(*donor);
        return;
      }
      default: return;
    }
  }

  void ChangeRepeated(Message& message, const FieldDescriptor& field) {
    const Reflection& reflection = *message.GetReflection();
    const int count = reflection.FieldSize(message, &field);
    const auto any = [&] { return static_cast<int>(Below(count)); };
    if (count > 0) {
      switch (Below(6)) {
        case 0:  // drops one
          reflection.SwapElements(&message, &field, any(), count - 1);
          return reflection.RemoveLast(&message, &field);
        case 1: return reflection.SwapElements(&message, &field, any(), any());
        case 2: return reflection.ClearField(&message, &field);
        case 3: return SetElement(message, field, any());
        default: break;
      }
    }
    // One donor for all: it may hold this very message, and would double with each copy.
    const auto donor = field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE
                           ? Donor(field.message_type())
                           : nullptr;
    const size_t num_copies = Below(8) == 0 ? 1 + Below(kMaxCopies) : 1;
    if (donor && donor->ByteSizeLong() * num_copies > kMaxCopiedBytes) return;
    for (size_t i = 0; i < num_copies; ++i) AddElement(message, field, donor.get());
  }

  void SetElement(Message& message, const FieldDescriptor& field, int i) {
    const Reflection& reflection = *message.GetReflection();
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        return reflection.SetRepeatedInt32(&message, &field, i, static_cast<int32_t>(Integer(0)));
      case FieldDescriptor::CPPTYPE_INT64:
        return reflection.SetRepeatedInt64(
            &message, &field, i, Integer(reflection.GetRepeatedInt64(message, &field, i)));
      case FieldDescriptor::CPPTYPE_UINT64:
        return reflection.SetRepeatedUInt64(&message, &field, i, static_cast<uint64_t>(Integer(0)));
      case FieldDescriptor::CPPTYPE_FLOAT:
        return reflection.SetRepeatedFloat(&message, &field, i, static_cast<float>(Number()));
      case FieldDescriptor::CPPTYPE_DOUBLE:
        return reflection.SetRepeatedDouble(&message, &field, i, Number());
      case FieldDescriptor::CPPTYPE_STRING:
        return reflection.SetRepeatedString(&message, &field, i,
                                            Text(reflection.GetRepeatedString(message, &field, i)));
      case FieldDescriptor::CPPTYPE_MESSAGE: {
        const auto donor = Donor(field.message_type());
        if (donor) reflection.MutableRepeatedMessage(&message, &field, i)->CopyFrom(*donor);
        return;
      }
      default: return;
    }
  }

  // A message becomes a copy of `donor` where there is one.
  void AddElement(Message& message, const FieldDescriptor& field, const Message* donor) {
    const Reflection& reflection = *message.GetReflection();
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        return reflection.AddInt32(&message, &field, static_cast<int32_t>(Integer(0)));
      case FieldDescriptor::CPPTYPE_INT64: return reflection.AddInt64(&message, &field, Integer(0));
      case FieldDescriptor::CPPTYPE_UINT64:
        return reflection.AddUInt64(&message, &field, static_cast<uint64_t>(Integer(0)));
      case FieldDescriptor::CPPTYPE_FLOAT:
        return reflection.AddFloat(&message, &field, static_cast<float>(Number()));
      case FieldDescriptor::CPPTYPE_DOUBLE: return reflection.AddDouble(&message, &field, Number());
      case FieldDescriptor::CPPTYPE_STRING: return reflection.AddString(&message, &field, Text(""));
      case FieldDescriptor::CPPTYPE_MESSAGE: {
        Message* inner = reflection.AddMessage(&message, &field);
        if (donor != nullptr) inner->CopyFrom(*donor);
        return;
      }
      default: return;
    }
  }

  Message* root_;
  std::minstd_rand& generator_;
  std::vector<Message*> messages_;  // of the whole model, in order
};

}  // namespace

size_t MutateOnnxBytes(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  std::minstd_rand generator(seed);
  const google::protobuf::LogSilencer silencer;
  onnx::ModelProto model;
  if (generator() % kEveryNthOfBytes == 0 || !model.ParseFromArray(data, static_cast<int>(size))) {
    return LLVMFuzzerMutate(data, size, max_size);
  }
  Mutator mutator(&model, generator);
  const size_t num_changes = 1 + generator() % kMaxChanges;
  for (size_t i = 0; i < num_changes; ++i) mutator.Change();
  const std::string bytes = model.SerializeAsString();
  if (bytes.size() > max_size) return LLVMFuzzerMutate(data, size, max_size);
  std::memcpy(data, bytes.data(), bytes.size());
  return bytes.size();
}

}  // namespace adaround::fuzz
