#include "adaround/io/layer_plan.h"

#include <set>

#include "io/test_files.h"

namespace adaround {
namespace {

using testing::ExpectError;
using testing::ReadBytes;
using testing::ReadDamaged;
using testing::ScratchFolder;
using testing::WriteBytes;

std::string PlanText(const std::string& layers) {
  return R"({"format": "adaround-plan", "version": 1, "layers": [)" + layers + "]}";
}

std::vector<LayerPlan> ExamplePlan() {
  LayerGrid grid;
  grid.bits = 8;
  std::vector<LayerPlan> plan = {LayerPlan::Of("conv1", grid)};
  grid.bits = 3;
  grid.symmetric = false;
  grid.granularity = Granularity::kPerGroup;
  grid.group_size = 16;
  grid.range_estimator = RangeEstimator::kPercentile;
  grid.percentile = 99.1;
  plan.push_back(LayerPlan::Of("b/\"quoted\" \xC3\xA9", grid));
  LayerPlan left;
  left.name = "fc";
  left.keep_float = true;
  plan.push_back(left);
  LayerPlan part;
  part.name = "partly";
  part.bits = 2;
  plan.push_back(part);
  return plan;
}

TEST(LayerPlan, DifferentEntriesHaveDifferentTexts) {
  EXPECT_EQ(ExamplePlan()[0].ToText(),
            "conv1: bits 8, symmetric, granularity channel, range_estimator mse");
  EXPECT_EQ(ExamplePlan()[2].ToText(), "fc: float");
  std::vector<LayerPlan> entries(2);
  entries[0].bits = 4;
  entries[1].group_size = 4;
  for (const std::string name : {"a: bits 4", "a", "", "a\x1B", "a\\x1b", "\"a\"", "a; b", "a b"}) {
    LayerPlan entry;
    entry.name = name;
    entries.push_back(entry);
  }
  entries.emplace_back();
  entries.back().name = "a";
  entries.back().bits = 4;
  std::set<std::string> texts;
  for (const LayerPlan& entry : entries) {
    const std::string text = entry.ToText();
    // An unnamed entry and the two at the front: the name alone is not what differs.
    EXPECT_TRUE(texts.insert(text).second) << text;
    EXPECT_EQ(text.find('\x1B'), std::string::npos);
    EXPECT_EQ(text.find("; "),
              entry.name == "a; b" ? text.find(entry.name) + 1 : std::string::npos);
  }
}

TEST(LayerPlan, RoundTrips) {
  const ScratchFolder folder;
  WriteLayerPlan(folder / "p.json", ExamplePlan());
  const std::vector<LayerPlan> read = ReadLayerPlan(folder / "p.json");
  ASSERT_EQ(read.size(), 4u);
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(read[i].ToText(), ExamplePlan()[i].ToText());
  EXPECT_EQ(read[1].percentile, 99.1);
  EXPECT_EQ(read[3].symmetric, std::nullopt);
  EXPECT_EQ(read[2].place, (folder / "p.json").string() + ": layers[2].name");
  WriteLayerPlan(folder / "again.json", read);
  EXPECT_EQ(ReadBytes(folder / "again.json"), ReadBytes(folder / "p.json"));
}

TEST(LayerPlan, EntriesOverlayAGrid) {
  LayerGrid base;
  base.bits = 5;
  base.granularity = Granularity::kPerTensor;
  LayerPlan entry;
  EXPECT_TRUE(entry.AppliedTo(base).SameAs(base));
  entry.symmetric = false;
  const LayerGrid found = entry.AppliedTo(base);
  EXPECT_FALSE(found.symmetric);
  EXPECT_EQ(found.bits, 5);
  EXPECT_EQ(found.granularity, Granularity::kPerTensor);
  EXPECT_TRUE(LayerPlan::Of("x", found).AppliedTo(LayerGrid{}).SameAs(found));
}

TEST(LayerPlan, AnEmptyListIsAPlan) {
  const ScratchFolder folder;
  EXPECT_TRUE(ReadLayerPlan(WriteBytes(folder / "p.json", PlanText(""))).empty());
}

TEST(LayerPlan, RefusalsNameFileAndKey) {
  const ScratchFolder folder;
  const std::string file = (folder / "p.json").string();
  const auto refused = [&](const std::string& text, const std::vector<std::string>& fragments,
                           ErrorCode code = ErrorCode::kMalformed) {
    std::vector<std::string> all = fragments;
    all.push_back(file);
    WriteBytes(file, text);
    ExpectError(code, all, [&] { ReadLayerPlan(file); });
  };
  refused("{}", {"the key 'format' is missing"});
  refused("[]", {"expected an object, found a list"});
  refused(PlanText("") + " x", {"byte ", "valid JSON"});
  refused(R"({"format": "adaround-model", "version": 1, "layers": []})",
          {"format: is 'adaround-model'", "'adaround-plan'"});
  refused(R"({"format": "adaround-plan", "version": 2, "layers": []})",
          {"version: only version 1"}, ErrorCode::kUnsupported);
  refused(R"({"format": "adaround-plan", "version": 0, "layers": []})", {"version: is 0"});
  refused(R"({"format": "adaround-plan", "version": 1, "layer": []})",
          {"unknown key 'layer'; did you mean 'layers'?"});
  refused(R"({"format": "adaround-plan", "version": 1})", {"the key 'layers' is missing"});
  refused(R"({"format": "adaround-plan", "version": 1, "layers": {}})",
          {"layers: expected a list"});
  refused(PlanText("3"), {"layers[0]: expected an object"});
  refused(PlanText(R"({"bits": 4})"), {"layers[0]: the key 'name' is missing"});
  refused(PlanText(R"({"name": 4})"), {"layers[0].name: expected a string"});
  refused(PlanText(R"({"name": "a", "bit": 4})"),
          {"layers[0]: unknown key 'bit'; did you mean 'bits'?"});
  refused(PlanText(R"({"name": "a", "bits": 9})"), {"layers[0].bits: is 9, must be from 2 to 8"});
  refused(PlanText(R"({"name": "a", "bits": 1})"), {"layers[0].bits: is 1"});
  refused(PlanText(R"({"name": "a", "bits": 4.0})"), {"layers[0].bits: expected a whole number"});
  refused(PlanText(R"({"name": "a", "bits": "4"})"), {"layers[0].bits: expected a whole number"});
  refused(PlanText(R"({"name": "a", "symmetric": 1})"),
          {"layers[0].symmetric: expected true or false"});
  refused(PlanText(R"({"name": "a", "granularity": "chanel"})"),
          {"layers[0].granularity: is 'chanel'; did you mean 'channel'?"});
  refused(PlanText(R"({"name": "a", "range_estimator": "mee"})"),
          {"layers[0].range_estimator: is 'mee'; did you mean 'mse'?"});
  refused(PlanText(R"({"name": "a", "granularity": "group", "group_size": 0})"),
          {"layers[0].group_size: is 0"});
  refused(PlanText(R"({"name": "a", "granularity": "channel", "group_size": 8})"),
          {"layers[0].group_size: says nothing beside a granularity other than group"});
  refused(PlanText(R"({"name": "a", "range_estimator": "mse", "percentile": 99})"),
          {"layers[0].percentile: says nothing"});
  refused(PlanText(R"({"name": "a", "range_estimator": "percentile", "percentile": 49})"),
          {"layers[0].percentile: must be from 50 to 100"});
  refused(PlanText(R"({"name": "a", "keep_float": true, "bits": 4})"),
          {"layers[0].bits: says nothing beside keep_float"});
  refused(PlanText(R"({"name": "a", "name": "b"})"), {"the key 'name' appears twice"});
  refused(PlanText(R"({"name": "a"}, {"name": "b"}, {"name": "a", "bits": 3})"),
          {"layers[2].name: layer 'a' has an entry already"});
}

TEST(LayerPlan, DamagedFilesAreRefusedOrRead) {
  const ScratchFolder folder;
  WriteLayerPlan(folder / "p.json", ExamplePlan());
  const std::string bytes = ReadBytes(folder / "p.json");
  // Without its last newline the file is whole.
  EXPECT_EQ(ReadDamaged(folder / "damaged.json", bytes, bytes.size(),
                        [&] { ReadLayerPlan(folder / "damaged.json"); }),
            1);
}

TEST(LayerPlan, NamesThatAreNotUtf8AreNotWritten) {
  const ScratchFolder folder;
  LayerPlan layer;
  layer.name = "\xFF";
  ExpectError(ErrorCode::kInvalidArgument, {"p.json", "UTF-8"},
              [&] { WriteLayerPlan(folder / "p.json", {layer}); });
  EXPECT_FALSE(std::filesystem::exists(folder / "p.json"));
}

}  // namespace
}  // namespace adaround
