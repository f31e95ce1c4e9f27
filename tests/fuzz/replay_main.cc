// Runs a fuzz target without libFuzzer:
//   FORMAT_fuzz_replay FOLDER...
// on every file of the folders, on beginnings of it, and on changes of its bytes or, where the
// target has a mutator of its own, of its structure. The same files give the same inputs. As under
// scripts/fuzz.sh, a request for more than kMaxAllocation bytes is a finding, but for builds with
// sanitizers, which have allocators of their own.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
// Only some targets have one.
extern "C" __attribute__((weak)) size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size,
                                                                size_t max_size, unsigned seed);

#if defined(REPLAY_BOUNDS_ALLOCATIONS) && defined(__GLIBC__)
constexpr size_t kMaxAllocation = size_t{512} << 20;

extern "C" void* __libc_malloc(size_t size);
// Takes the library's place in the whole program, libpng's and libjpeg's calls included.
extern "C" void* malloc(size_t size) {
  if (size > kMaxAllocation) {
    std::fputs("a finding: a request for more than 512 MiB\n", stderr);
    std::abort();
  }
  return __libc_malloc(size);
}
#endif

namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<uint8_t>;

constexpr size_t kMaxBeginnings = 128;  // of a file
constexpr unsigned kNumChanges = 128;   // likewise
constexpr size_t kMaxGrowth = 4096;

std::minstd_rand generator(1);

size_t Below(size_t limit) {
  return generator() % limit;
}

}  // namespace

// What libFuzzer offers to mutators: some change of the bytes; returns the new size.
extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size) {
  if (size > 0 && (Below(4) != 0 || size == max_size)) {
    const size_t count = 1 + Below(std::min<size_t>(size, 4));
    const size_t at = Below(size - count + 1);
    const auto value = static_cast<uint8_t>(generator() >> 8);
    for (size_t i = at; i < at + count; ++i) data[i] = static_cast<uint8_t>(data[i] ^ value);
    return size;
  }
  const size_t count = 1 + Below(std::min<size_t>(max_size - size, 16));
  for (size_t i = size; i < size + count; ++i) data[i] = static_cast<uint8_t>(generator() >> 8);
  std::rotate(data + Below(size + 1), data + size, data + size + count);
  return size + count;
}

namespace {

// Of just this size: what reads beyond its end is seen by a sanitizer.
void RunBytes(const uint8_t* data, size_t size) {
  const Bytes exact(data, data + size);
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

void RunFile(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  const Bytes bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  RunBytes(bytes.data(), bytes.size());
  const size_t step = bytes.size() / kMaxBeginnings + 1;
  for (size_t length = 0; length < bytes.size(); length += step) RunBytes(bytes.data(), length);
  for (unsigned seed = 0; seed < kNumChanges; ++seed) {
    Bytes changed = bytes;
    changed.resize(bytes.size() + kMaxGrowth);
    const size_t size =
        LLVMFuzzerCustomMutator != nullptr
            ? LLVMFuzzerCustomMutator(changed.data(), bytes.size(), changed.size(), seed)
            : LLVMFuzzerMutate(changed.data(), bytes.size(), changed.size());
    RunBytes(changed.data(), size);
  }
}

std::vector<fs::path> SortedFiles(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

int main(int argc, char** argv) {
  int num_files = 0;
  for (int i = 1; i < argc; ++i) {
    for (const fs::path& file : SortedFiles(argv[i])) {
      // Before it runs: a signal ends the program without another word.
      std::printf("%s\n", file.c_str());
      std::fflush(stdout);
      try {
        RunFile(file);
      } catch (const std::exception& finding) {
        std::printf("a finding: %s\n", finding.what());
        return 1;
      }
      ++num_files;
    }
  }
  std::printf("%d files\n", num_files);
  return num_files == 0 ? 1 : 0;
}
