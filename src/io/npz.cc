#include "io/npz.h"

#include <unistd.h>
#include <zip.h>

#include <algorithm>
#include <optional>
#include <span>
#include <vector>

#include "io/array_checks.h"
#include "io/byte_reader.h"
#include "io/input_file.h"

namespace adaround {
namespace {

// No deflate stream gives more bytes per byte than this.
constexpr int64_t kMaxDeflateRatio = 1032;

std::string ErrorText(zip_error_t* error) {
  return Printable(zip_error_strerror(error));
}

// The largest entry count that an end record of the file declares, so that it can be refused before
// libzip, which may settle on any of them, allocates for it. Nothing where there is no such record.
std::optional<uint64_t> DeclaredEntryCount(const InputFile& file) {
  constexpr int64_t kEndBytes = 22;
  constexpr int64_t kMaxCommentBytes = 65'535;
  constexpr int64_t kLocatorBytes = 20;
  constexpr int64_t kRecordBytes = 56;
  const int64_t tail_bytes = std::min(file.size(), kEndBytes + kMaxCommentBytes + kLocatorBytes);
  std::vector<uint8_t> tail(static_cast<size_t>(tail_bytes));
  file.ReadAt(file.size() - tail_bytes, tail.data(), tail_bytes);
  const auto has_signature = [&](int64_t at, uint8_t third, uint8_t fourth) {
    const uint8_t* p = tail.data() + at;
    return p[0] == 'P' && p[1] == 'K' && p[2] == third && p[3] == fourth;
  };
  const auto reader_at = [&](int64_t at) {
    return ByteReader(std::span<const uint8_t>(tail).subspan(static_cast<size_t>(at)), file.name());
  };
  std::optional<uint64_t> largest;
  for (int64_t at = 0; at + kEndBytes <= tail_bytes; ++at) {
    if (!has_signature(at, 5, 6)) continue;
    ByteReader end = reader_at(at);
    end.ReadBytes(10, "the end record");
    const uint64_t count = end.ReadU16("the entry count");
    largest = std::max(largest.value_or(0), count);
    if (at < kLocatorBytes || !has_signature(at - kLocatorBytes, 6, 7)) continue;
    ByteReader locator = reader_at(at - kLocatorBytes);
    locator.ReadBytes(8, "the ZIP64 locator");
    const uint64_t offset = locator.ReadU64("the ZIP64 record's offset");
    if (file.size() < kRecordBytes || offset > static_cast<uint64_t>(file.size() - kRecordBytes)) {
      continue;
    }
    std::vector<uint8_t> record(kRecordBytes);
    file.ReadAt(static_cast<int64_t>(offset), record.data(), kRecordBytes);
    ByteReader zip64(record, file.name(), static_cast<int64_t>(offset));
    zip64.ReadBytes(32, "the ZIP64 record");
    largest = std::max(*largest, zip64.ReadU64("the ZIP64 entry count"));
  }
  return largest;
}

}  // namespace

// One entry, open for reading from its start.
struct NpzFile::EntryFile {
  EntryFile(zip_t* archive, uint64_t index, const std::string& what_text)
      : what(what_text), file(zip_fopen_index(archive, index, 0)) {
    if (file == nullptr) {
      ThrowMalformed(what, "cannot be opened: " + ErrorText(zip_get_error(archive)));
    }
  }
  EntryFile(const EntryFile&) = delete;
  EntryFile& operator=(const EntryFile&) = delete;
  ~EntryFile() { zip_fclose(file); }

  // Up to `count` bytes; fewer only at the entry's end, where libzip checks the CRC.
  int64_t Read(uint8_t* out, int64_t count) {
    int64_t total = 0;
    while (total < count) {
      const int64_t got = zip_fread(file, out + total, static_cast<zip_uint64_t>(count - total));
      if (got < 0) {
        ThrowMalformed(what, "is damaged: " + ErrorText(zip_file_get_error(file)) +
                                 "; fetch or save the archive again");
      }
      if (got == 0) break;
      total += got;
    }
    return total;
  }

  const std::string what;
  zip_file_t* file;
};

NpzFile::NpzFile(const std::filesystem::path& path) {
  const InputFile file(path);
  name_ = file.name();
  const std::vector<uint8_t> head = file.ReadHead(16);
  if (head.size() < 4 || head[0] != 'P' || head[1] != 'K') {
    ThrowMalformedAt(name_, 0, "is no zip archive (.npz)" + LooksLike(head));
  }
  const std::optional<uint64_t> declared = DeclaredEntryCount(file);
  if (!declared) {
    ThrowMalformed(name_,
                   "the archive has no end record: it is truncated or has trailing bytes; fetch or "
                   "save it again");
  }
  if (*declared > static_cast<uint64_t>(kMaxNpzEntries)) {
    ThrowMalformed(name_, "declares " + std::to_string(*declared) + " entries, at most " +
                              std::to_string(kMaxNpzEntries) + " are allowed");
  }
  const int descriptor = dup(file.descriptor());
  int error = 0;
  archive_ = descriptor < 0 ? nullptr : zip_fdopen(descriptor, 0, &error);
  if (archive_ == nullptr) {
    if (descriptor >= 0) close(descriptor);
    zip_error_t text;
    zip_error_init_with_code(&text, error);
    const std::string reason = ErrorText(&text);
    zip_error_fini(&text);
    ThrowMalformed(name_, "is no sound zip archive: " + reason + "; fetch or save it again");
  }
  try {
    ReadDirectory(file.size());
  } catch (...) {
    zip_discard(archive_);
    throw;
  }
}

NpzFile::~NpzFile() {
  zip_discard(archive_);
}

void NpzFile::ReadDirectory(int64_t file_size) {
  const int64_t count = zip_get_num_entries(archive_, 0);
  if (count > kMaxNpzEntries) {
    ThrowMalformed(name_, "has " + std::to_string(count) + " entries, at most " +
                              std::to_string(kMaxNpzEntries) + " are allowed");
  }
  int64_t total_bytes = 0;
  int64_t total_compressed_bytes = 0;
  for (uint64_t i = 0; i < static_cast<uint64_t>(count); ++i) {
    zip_stat_t stat;
    zip_stat_init(&stat);
    constexpr zip_uint64_t kWanted = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE |
                                     ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
    if (zip_stat_index(archive_, i, ZIP_FL_ENC_RAW, &stat) != 0 ||
        (stat.valid & kWanted) != kWanted) {
      ThrowMalformed(name_, "entry " + std::to_string(i) + " lacks its name or size");
    }
    std::string entry = stat.name;
    constexpr std::string_view kSuffix = ".npy";
    if (!entry.ends_with(kSuffix)) continue;
    entry.resize(entry.size() - kSuffix.size());
    const std::string what = name_ + ": entry " + Quoted(stat.name);
    if (stat.encryption_method != ZIP_EM_NONE) {
      ThrowUnsupported(what, "is encrypted; save the archive without a password");
    }
    if (stat.comp_method != ZIP_CM_STORE && stat.comp_method != ZIP_CM_DEFLATE) {
      ThrowUnsupported(what, "has compression method " + std::to_string(stat.comp_method) +
                                 "; save it with numpy.savez or numpy.savez_compressed");
    }
    const auto limit = static_cast<uint64_t>(file_size);
    const bool deflated = stat.comp_method == ZIP_CM_DEFLATE;
    if (stat.comp_size > limit || (!deflated && stat.size != stat.comp_size) ||
        stat.size > limit * kMaxDeflateRatio || stat.size > stat.comp_size * kMaxDeflateRatio) {
      ThrowMalformed(what, "declares " + std::to_string(stat.size) + " bytes from " +
                               std::to_string(stat.comp_size) +
                               " compressed ones, which cannot be; fetch or save it again");
    }
    // Entries that share compressed bytes would let a small file ask for any amount.
    total_compressed_bytes += static_cast<int64_t>(stat.comp_size);
    if (total_compressed_bytes > file_size) {
      ThrowMalformed(what, "shares its bytes with other entries; save the archive again");
    }
    const auto size = static_cast<int64_t>(stat.size);
    total_bytes += std::min(size, kMaxNpzBytes + 1);
    if (total_bytes > kMaxNpzBytes) {
      ThrowMalformed(name_,
                     "inflates to more than " + std::to_string(kMaxNpzBytes) +
                         " bytes; use a folder of .npy files, which are read piece by piece");
    }
    if (!headers_.emplace(entry, ReadEntryHeader(i, size, what)).second) {
      ThrowMalformed(what, "appears twice in the archive; keep one of them");
    }
    indices_.emplace(entry, i);
  }
  if (headers_.empty()) {
    ThrowMalformed(name_, "holds no .npy arrays; save it with numpy.savez");
  }
}

NpyHeader NpzFile::ReadEntryHeader(uint64_t index, int64_t size, const std::string& what) const {
  EntryFile file(archive_, index, what);
  std::vector<uint8_t> head(static_cast<size_t>(std::min(size, kMaxNpyHeaderBytes)));
  head.resize(static_cast<size_t>(file.Read(head.data(), static_cast<int64_t>(head.size()))));
  return ParseNpyHeader(head, size, what);
}

Tensor NpzFile::Read(const std::string& name) const {
  const NpyHeader& header = headers_.at(name);
  const std::string what = name_ + ": entry " + Quoted(name + ".npy");
  const std::lock_guard<std::mutex> lock(mutex_);
  EntryFile file(archive_, indices_.at(name), what);
  std::vector<uint8_t> head(static_cast<size_t>(header.data_offset));
  Tensor tensor = AllocateTensor(header.dtype, header.shape, what);
  uint8_t beyond = 0;
  // The read beyond the end makes libzip compare the CRC.
  if (file.Read(head.data(), header.data_offset) != header.data_offset ||
      file.Read(tensor.mutable_raw(), header.data_bytes) != header.data_bytes ||
      file.Read(&beyond, 1) != 0) {
    ThrowMalformed(what,
                   "inflates to another size than the archive's directory declares; fetch "
                   "or save the archive again");
  }
  NormalizeNpyElements(header, &tensor);
  CheckBooleans(tensor, what);
  return tensor;
}

}  // namespace adaround
