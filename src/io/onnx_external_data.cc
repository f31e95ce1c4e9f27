#include "io/onnx_external_data.h"

#include <sys/stat.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <iterator>
#include <set>
#include <string_view>
#include <utility>

#include "adaround/base/did_you_mean.h"
#include "io/file_error.h"

namespace adaround {
namespace {

int64_t ParseDigits(const std::string& key, const std::string& text, const std::string& what) {
  int64_t value = 0;
  const char* end = text.data() + text.size();
  // from_chars takes a sign, but neither spaces nor '+'.
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || text.front() == '-') {
    ThrowMalformed(what, "external_data " + key + " is " + Quoted(text) +
                             ", must be a number of bytes in decimal digits");
  }
  return value;
}

// Every complaint names the tensor too, for the user knows the model better than its data files.
InputFile OpenNamedBy(const std::filesystem::path& folder, const std::string& location,
                      const std::string& what) {
  try {
    return InputFile::OpenBeneath(folder, location, what + ": external_data");
  } catch (const Error& error) {
    if (std::string_view(error.what()).starts_with(what)) throw;
    throw error.WithContext(what);
  }
}

}  // namespace

OnnxExternalRange ParseExternalRange(const onnx::TensorProto& tensor, const std::string& what) {
  OnnxExternalRange range;
  std::set<std::string> seen;
  for (const onnx::StringStringEntryProto& entry : tensor.external_data()) {
    if (!seen.insert(entry.key()).second) {
      ThrowMalformed(what, "external_data has the key " + Quoted(entry.key()) + " twice");
    }
    if (entry.key() == "location") {
      range.location = entry.value();
      while (range.location.starts_with("./")) range.location.erase(0, 2);
    } else if (entry.key() == "offset") {
      range.offset = ParseDigits("offset", entry.value(), what);
    } else if (entry.key() == "length") {
      range.length = ParseDigits("length", entry.value(), what);
    } else if (entry.key() != "checksum") {
      ThrowMalformed(what,
                     "external_data has the unknown key " + Quoted(entry.key()) +
                         DidYouMean(entry.key(), {"location", "offset", "length", "checksum"}));
    }
  }
  if (!seen.contains("location")) ThrowMalformed(what, "external_data names no location");
  return range;
}

InputFile OpenExternalFile(const std::filesystem::path& folder, const std::string& location,
                           const std::string& what) {
  InputFile file = OpenNamedBy(folder, location, what);
  struct stat status {};
  if (fstat(file.descriptor(), &status) != 0) {
    throw Error(ErrorCode::kIo, file.name() + ": cannot be examined: " + std::strerror(errno));
  }
  if (status.st_nlink > 1) {
    ThrowMalformed(what, "external data file " + file.name() + " has " +
                             std::to_string(status.st_nlink) +
                             " hard links, it may be a file from elsewhere; put a copy of it "
                             "inside the model's own folder");
  }
  return file;
}

void OnnxExternalData::Claim(const OnnxExternalRange& range, int64_t num_bytes,
                             const std::string& what) {
  const InputFile& file = Open(range.location, what);
  const bool inside =
      range.offset <= file.size() && (!range.length || *range.length <= file.size() - range.offset);
  if (!inside) {
    ThrowMalformed(
        what, "external_data asks for " +
                  (range.length ? std::to_string(*range.length) + " bytes" : "the rest") +
                  " from byte " + std::to_string(range.offset) + " of " + file.name() +
                  ", which has " + std::to_string(file.size()) + " bytes; fetch that file again");
  }
  const int64_t length = range.length.value_or(file.size() - range.offset);
  if (length != num_bytes) {
    ThrowMalformed(what, "external_data has " + std::to_string(length) + " bytes in " +
                             file.name() + ", its shape and type want " +
                             std::to_string(num_bytes));
  }
  RefuseOverlap(range, num_bytes, what);
}

void OnnxExternalData::Read(const OnnxExternalRange& range, int64_t num_bytes, void* out,
                            const std::string& what) {
  const InputFile& file = Open(range.location, what);
  // Claim() may have seen another file under this name.
  if (range.offset > file.size() || num_bytes > file.size() - range.offset) {
    throw Error(ErrorCode::kIo, file.name() + ": became shorter while it was read");
  }
  file.ReadAt(range.offset, out, num_bytes);
}

const InputFile& OnnxExternalData::Open(const std::string& location, const std::string& what) {
  if (open_file_ == nullptr || open_location_ != location) {
    open_file_ = std::make_unique<InputFile>(OpenExternalFile(folder_, location, what));
    open_location_ = location;
  }
  return *open_file_;
}

void OnnxExternalData::RefuseOverlap(const OnnxExternalRange& range, int64_t num_bytes,
                                     const std::string& what) {
  if (num_bytes == 0) return;
  std::map<int64_t, int64_t>& ranges = claimed_[range.location];
  const int64_t end = range.offset + num_bytes;
  const auto after = ranges.upper_bound(range.offset);
  const bool overlaps_next = after != ranges.end() && after->first < end;
  const bool overlaps_previous = after != ranges.begin() && std::prev(after)->second > range.offset;
  if (overlaps_next || overlaps_previous) {
    ThrowMalformed(what, "external_data from byte " + std::to_string(range.offset) + " to " +
                             std::to_string(end) + " of " + Quoted(range.location) +
                             " overlaps the data of another tensor");
  }
  ranges.emplace(range.offset, end);
}

}  // namespace adaround
