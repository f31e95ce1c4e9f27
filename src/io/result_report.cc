#include "adaround/io/result_report.h"

#include "adaround/base/error.h"
#include "adaround/io/model_file.h"
#include "io/input_file.h"
#include "io/strict_json.h"

namespace adaround {
namespace {

constexpr int64_t kMaxReportBytes = int64_t{256} << 20;

}  // namespace

bool IsFinishedResult(const std::filesystem::path& folder, const std::string& fingerprint) {
  try {
    const InputFile file(folder / "report.json");
    const nlohmann::json document = ParseStrictJson(file.ReadText(kMaxReportBytes), file.name());
    const JsonView root(document, file.name());
    root.CheckObject();
    return root.Has("fingerprint") && root.Has("result_sha256") &&
           root.At("fingerprint").AsString() == fingerprint &&
           root.At("result_sha256").AsString() == ModelDigest(folder);
  } catch (const Error&) {
    return false;
  }
}

}  // namespace adaround
