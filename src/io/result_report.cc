#include "adaround/io/result_report.h"

#include <limits>
#include <system_error>

#include "adaround/base/error.h"
#include "adaround/io/model_file.h"
#include "adaround/io/sha256.h"
#include "io/input_file.h"
#include "io/strict_json.h"

namespace adaround {
namespace {

constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

constexpr const char* kReport = "report.json";

// A report, parsed.
class ResultReport {
 public:
  explicit ResultReport(const std::filesystem::path& path) {
    const InputFile file(path);
    file_ = file.name();
    document_ = ParseStrictJson(file.ReadText(kMaxReportBytes), file_);
    JsonView(document_, file_).CheckObject();
  }

  std::string Text(const std::string& key) const { return Root(key).AsString(); }
  int64_t Count(const std::string& key) const { return Root(key).AsInt(0, kMost); }

  std::map<std::string, std::string> Inputs() const {
    const JsonView inputs = Root("inputs");
    inputs.CheckObject();
    std::map<std::string, std::string> found;
    for (const auto& [name, unused] : inputs.value().items()) {
      found.emplace(name, inputs.At(name).AsString());
    }
    return found;
  }

  // Exports by sizes and digests, page and plan by digests. Sizes of the model itself are added up
  // under one name.
  bool FilesAreThere(const std::filesystem::path& folder) const {
    const JsonView files = Root("file_bytes");
    files.CheckObject();
    for (const auto& [name, unused] : files.value().items()) {
      if (name == kModelFiles) continue;
      if (name.find('/') != std::string::npos) return false;
      std::error_code error;
      const auto bytes = std::filesystem::file_size(folder / name, error);
      if (error || files.At(name).AsInt(0, kMost) != static_cast<int64_t>(bytes)) return false;
    }
    const JsonView digests = Root("file_sha256");
    digests.CheckObject();
    for (const auto& [name, unused] : digests.value().items()) {
      if (name.find('/') != std::string::npos) return false;
      if (digests.At(name).AsString() != Sha256OfFile(folder / name)) return false;
    }
    return true;
  }

  FinishedResult Result() const {
    FinishedResult result;
    ResultSummary& summary = result.summary;
    const JsonView networks = Root("networks");
    for (size_t i = 0; i < networks.ArraySize(); ++i) {
      const JsonView network = networks.At(i);
      network.CheckObject();
      std::optional<double> accuracy = Number(network, "miou");
      if (!accuracy) accuracy = Number(network, "top1");
      if (Member(network, "name").AsString() == "float") summary.float_accuracy = accuracy;
      if (i + 1 < networks.ArraySize()) continue;
      // The result's own row is the last.
      summary.accuracy = accuracy;
      summary.agreement = Number(network, "agreement");
      summary.sqnr_db = Number(network, "sqnr_db");
      if (Truth(network, "exact")) summary.sqnr_db = std::numeric_limits<double>::infinity();
    }
    const JsonView layers = Root("layers");
    summary.num_layers = static_cast<int64_t>(layers.ArraySize());
    for (size_t i = 0; i < layers.ArraySize(); ++i) {
      summary.num_fallen_back += Truth(layers.At(i), "fell_back") ? 1 : 0;
    }
    const JsonView gates = Root("gates");
    for (size_t i = 0; i < gates.ArraySize(); ++i) {
      if (Truth(gates.At(i), "passed")) continue;
      result.missed_gates.push_back(Member(gates.At(i), "name").AsString() + ": " +
                                    Member(gates.At(i), "text").AsString());
    }
    summary.float_bytes = Root("float_bytes").AsInt(0, kMost);
    summary.quantized_bytes = Root("quantized_bytes").AsInt(0, kMost);
    return result;
  }

 private:
  static JsonView Member(const JsonView& view, const std::string& key) {
    view.CheckObject();
    if (!view.Has(key)) view.FailMalformed("lacks '" + key + "'; it is no report of `quantize`");
    return view.At(key);
  }

  JsonView Root(const std::string& key) const { return Member(JsonView(document_, file_), key); }

  static std::optional<double> Number(const JsonView& view, const std::string& key) {
    const JsonView number = Member(view, key);
    if (number.value().is_null()) return std::nullopt;
    return number.AsNumber();
  }

  static bool Truth(const JsonView& view, const std::string& key) {
    const JsonView truth = Member(view, key);
    if (!truth.value().is_boolean()) truth.FailMalformed("expected true or false");
    return truth.value().get<bool>();
  }

  std::string file_;
  nlohmann::json document_;
};

}  // namespace

FinishedResult ReadFinishedResult(const std::filesystem::path& folder) {
  return ResultReport(folder / kReport).Result();
}

std::optional<FinishedResult> FindFinishedResult(const std::filesystem::path& folder,
                                                 const std::string& fingerprint) {
  try {
    const ResultReport report(folder / kReport);
    if (report.Text("fingerprint") != fingerprint) return std::nullopt;
    if (report.Text("result_sha256") != ModelDigest(folder)) return std::nullopt;
    if (!report.FilesAreThere(folder)) return std::nullopt;
    return report.Result();
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::map<std::string, std::string> FindInputs(const std::filesystem::path& folder) {
  try {
    return ResultReport(folder / kReport).Inputs();
  } catch (const Error&) {
    return {};
  }
}

std::string FindFloatModel(const std::filesystem::path& folder) {
  try {
    return ResultReport(folder / kReport).Text("model");
  } catch (const Error&) {
    return "";
  }
}

std::optional<int64_t> FindFailedRuns(const std::filesystem::path& report,
                                      const std::string& fingerprint) {
  try {
    const ResultReport found(report);
    if (found.Text("fingerprint") != fingerprint) return std::nullopt;
    return found.Count("num_failed");
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace adaround
