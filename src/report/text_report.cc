#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "adaround/base/error.h"
#include "adaround/report/run_report.h"
#include "report/measure_text.h"

namespace adaround {

std::string FormatBytes(int64_t bytes) {
  const auto value = static_cast<double>(bytes);
  if (bytes < 1024) return fmt::format("{} B", bytes);
  if (bytes < (1 << 20)) return fmt::format("{:.1f} KiB", value / 1024);
  if (bytes < (1 << 30)) return fmt::format("{:.1f} MiB", value / (1 << 20));
  return fmt::format("{:.2f} GiB", value / (1 << 30));
}

std::string FormatSeconds(double seconds) {
  if (seconds < 60) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<int64_t>(seconds + 0.5);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole / 60 % 60);
}

std::string LayerLine(const LayerReport& layer, int64_t done, int64_t total) {
  const int width = static_cast<int>(std::to_string(total).size());
  std::string line = fmt::format("[{:>{}}/{}] {}  {}x{}  nearest {:.4g} -> {:.4g}  ({})  {}", done,
                                 width, total, Printable(layer.name), layer.num_rows,
                                 layer.row_length, layer.nearest_error, layer.error,
                                 RatioText(layer.nearest_error, layer.error),
                                 FormatSeconds(layer.seconds));
  if (layer.search_task_loss && layer.nearest_task_loss) {
    line += fmt::format("  task loss +{:.3g} -> +{:.3g}", *layer.nearest_task_loss,
                        *layer.search_task_loss);
    if (layer.fell_back) line += "  kept nearest: its loss is lower on samples not searched on";
  } else if (layer.fell_back) {
    line += fmt::format("  kept nearest: the search reached {:.4g} on samples it had not seen",
                        layer.search_error);
  }
  return line;
}

std::string TransformLine(const TransformRow& row) {
  std::string line = row.name + ": " + row.detail;
  if (!row.network) return line;
  line += "; float network:";
  const NetworkRow& network = *row.network;
  std::string separator = " ";
  const auto add = [&](const char* name, const std::optional<double>& value, const char* unit) {
    if (!value) return;
    line += separator + name + " " + MeasureText(value, 2) + (std::isinf(*value) ? "" : unit);
    separator = ", ";
  };
  add("top-1", network.top1, " %");
  add("mIoU", network.miou, " %");
  add("agreement", network.agreement, " %");
  add("SQNR", network.sqnr_db, " dB");
  return line;
}

std::string NetworkTable(const std::vector<NetworkRow>& networks, int64_t num_evaluated,
                         const std::string& evaluated_on) {
  const bool has_maps = std::any_of(networks.begin(), networks.end(),
                                    [](const NetworkRow& network) { return !!network.miou; });
  std::string text = fmt::format("on {} {}\n", num_evaluated, evaluated_on);
  text += fmt::format("{:<12}  {:>8}  {:>8}  {:>9}  {:>9}  {:>9}\n", "network",
                      has_maps ? "mIoU %" : "top-1 %", has_maps ? "pixels %" : "top-5 %",
                      "SQNR dB", "agree %", "KL");
  for (const NetworkRow& network : networks) {
    text += fmt::format("{:<12}  {:>8}  {:>8}  {:>9}  {:>9}  {:>9}\n", network.name,
                        MeasureText(has_maps ? network.miou : network.top1, 2),
                        MeasureText(has_maps ? network.pixel_accuracy : network.top5, 2),
                        MeasureText(network.sqnr_db, 2), MeasureText(network.agreement, 2),
                        MeasureText(network.kl_divergence, 4));
  }
  return text;
}

std::string ToText(const RunReport& report, bool with_baseline) {
  std::string text;
  if (with_baseline) {
    size_t width = 5;
    for (const LayerReport& layer : report.layers) {
      width = std::max(width, std::min<size_t>(48, Printable(layer.name).size()));
    }
    text += fmt::format("{:<{}}  {:>4}  {:>10}  {:>10}  {:>7}\n", "layer", width, "bits", "nearest",
                        report.method, "ratio");
    for (const LayerReport& layer : report.layers) {
      if (layer.shares_weight) {
        text += fmt::format("{:<{}}  {:>4}  shares its weight with an earlier layer\n",
                            Printable(layer.name, 48), width, layer.bits);
        continue;
      }
      text += fmt::format("{:<{}}  {:>4}  {:>10.4g}  {:>10.4g}  {:>7}{}\n",
                          Printable(layer.name, 48), width, layer.bits, layer.nearest_error,
                          layer.error, RatioText(layer.nearest_error, layer.error),
                          layer.fell_back ? "  kept nearest" : "");
    }
    text += "\n";
  }
  if (!report.networks.empty()) {
    text += NetworkTable(report.networks, report.num_evaluated, report.evaluated_on) + "\n";
  }
  int64_t num_fell_back = 0;
  int64_t num_above = 0;
  int64_t num_short = 0;
  for (const LayerReport& layer : report.layers) {
    num_fell_back += layer.fell_back ? 1 : 0;
    num_above += !layer.fell_back && layer.error > layer.nearest_error ? 1 : 0;
    num_short += layer.short_last_group ? 1 : 0;
  }
  text += fmt::format("layers: {} quantized, {} left in float", report.layers.size(),
                      report.left.size());
  if (num_fell_back > 0) text += fmt::format(", {} kept nearest", num_fell_back);
  if (num_above > 0) text += fmt::format(", {} above nearest", num_above);
  if (num_short > 0) text += fmt::format(", {} with a shorter last group", num_short);
  text += "\n";
  int64_t num_corrected = 0;
  std::vector<std::pair<std::string, std::string>> uncorrected;
  for (const LayerReport& layer : report.layers) {
    num_corrected += layer.bias_correction.empty() ? 0 : 1;
    if (!layer.bias_uncorrected_because.empty()) {
      uncorrected.emplace_back(layer.name, layer.bias_uncorrected_because);
    }
  }
  if (num_corrected > 0 || !uncorrected.empty()) {
    text += fmt::format("biases: {} corrected, {} not\n", num_corrected, uncorrected.size());
    for (const auto& [name, reason] : uncorrected) {
      text += fmt::format("  not corrected: {}: {}\n", Printable(name), Printable(reason, 200));
    }
  }
  for (const TransformRow& row : report.transforms) text += TransformLine(row) + "\n";
  for (const LeftLayer& left : report.left) {
    text += fmt::format("  left: {} ({}): {}\n", Printable(left.name), left.op,
                        Printable(left.reason));
  }
  if (!report.activations.empty()) {
    text += fmt::format("activations: {} tensors at {} bits\n", report.activations.size(),
                        report.activations.front().bits);
  }
  for (const LeftLayer& left : report.float_biases) {
    text += fmt::format("  float bias: {} ({}): {}\n", Printable(left.name), left.op,
                        Printable(left.reason));
  }
  text += fmt::format("weights: {} -> {} ({:.1f}x smaller)\n", FormatBytes(report.float_bytes),
                      FormatBytes(report.quantized_bytes),
                      static_cast<double>(report.float_bytes) /
                          static_cast<double>(std::max<int64_t>(1, report.quantized_bytes)));
  for (const auto& [name, bytes] : report.file_bytes) {
    const double ratio = static_cast<double>(report.model_file_bytes) /
                         static_cast<double>(std::max<int64_t>(1, bytes));
    text += fmt::format("file: {}  {} (float model {}{})\n", Printable(name), FormatBytes(bytes),
                        FormatBytes(report.model_file_bytes),
                        ratio > 1.0 ? fmt::format(", {:.1f}x smaller", ratio) : "");
  }
  text += fmt::format("time: {} (rounding {}, forward passes {}), peak memory {}\n",
                      FormatSeconds(report.total_seconds), FormatSeconds(report.solve_seconds),
                      FormatSeconds(report.forward_seconds),
                      FormatBytes(report.peak_resident_bytes));
  return text;
}

}  // namespace adaround
