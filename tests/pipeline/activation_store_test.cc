#include "pipeline/activation_store.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "io/test_files.h"
#include "support/error_testing.h"
#include "support/graph_testing.h"

namespace adaround {
namespace {

using testing::RandomTensor;
using testing::RelativeDifference;

TEST(ActivationStore, MemoryAndFilesGiveTheSameTensors) {
  const testing::ScratchFolder folder;
  for (const int64_t budget : {int64_t{0}, int64_t{3 * 4 * 24}, int64_t{1} << 30}) {
    ActivationStore store(budget, folder.path(), 3);
    store.Reserve(Stream::kFloat, "a", DType::kFloat32, {1, 4, 6});
    store.Reserve(Stream::kQuantized, "a", DType::kFloat32, {1, 4, 6});
    store.Reserve(Stream::kFloat, "indices", DType::kInt64, {1, 2});
    for (const int64_t sample : {2, 0, 1}) {
      const auto seed = static_cast<uint32_t>(sample);
      store.Put(Stream::kFloat, "a", sample, RandomTensor({1, 4, 6}, seed));
      store.Put(Stream::kQuantized, "a", sample, RandomTensor({1, 4, 6}, seed + 10));
      store.Put(Stream::kFloat, "indices", sample,
                Tensor::FromVector<int64_t>({1, 2}, {sample, -sample}));
    }
    for (const int64_t sample : {0, 1, 2}) {
      const auto seed = static_cast<uint32_t>(sample);
      EXPECT_EQ(RelativeDifference(store.Get(Stream::kFloat, "a", sample),
                                   RandomTensor({1, 4, 6}, seed)),
                0.0);
      EXPECT_EQ(RelativeDifference(store.Get(Stream::kQuantized, "a", sample),
                                   RandomTensor({1, 4, 6}, seed + 10)),
                0.0);
      EXPECT_EQ(ToInt64Vector(store.Get(Stream::kFloat, "indices", sample)),
                (std::vector<int64_t>{sample, -sample}));
    }
    EXPECT_LE(store.peak_memory_bytes(), budget);
    EXPECT_EQ(store.peak_memory_bytes() + store.spilled_bytes(), 3 * (2 * 96 + 16));
    // Nothing to clean up, whatever happens.
    EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  }
}

TEST(ActivationStore, DroppedTensorsMakeRoom) {
  const testing::ScratchFolder folder;
  ActivationStore store(200, folder.path(), 2);
  store.Reserve(Stream::kFloat, "a", DType::kFloat32, {1, 20});
  store.Drop(Stream::kFloat, "a");
  store.Reserve(Stream::kFloat, "b", DType::kFloat32, {1, 25});
  EXPECT_EQ(store.spilled_bytes(), 0);
  EXPECT_EQ(store.peak_memory_bytes(), 200);
  store.Reserve(Stream::kFloat, "c", DType::kFloat32, {1, 1});
  EXPECT_EQ(store.spilled_bytes(), 8);
}

TEST(ActivationStore, AFolderThatCannotBeWrittenIsAnError) {
  const testing::ScratchFolder folder;
  ActivationStore store(0, folder / "missing", 2);
  testing::ExpectErrorWith(ErrorCode::kIo, {"missing", "--memory-limit"}, [&] {
    store.Reserve(Stream::kFloat, "a", DType::kFloat32, {1, 20});
  });
}

TEST(ActivationStore, ShapesThatDependOnTheDataAreRefused) {
  ActivationStore store(1 << 20, "/", 2);
  store.Reserve(Stream::kFloat, "a", DType::kFloat32, {1, 20});
  testing::ExpectErrorWith(ErrorCode::kUnsupported, {"'a'", "[1, 19]", "[1, 20]"}, [&] {
    store.Put(Stream::kFloat, "a", 1, RandomTensor({1, 19}, 1));
  });
}

}  // namespace
}  // namespace adaround
