// Binds flags to fields of the option structs: defaults shown in --help are the structs' own, and a
// field is overwritten only where the user set its flag.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "adaround/pipeline/quantize.h"

namespace adaround::cli {

// The group of options that say how a run goes on, not what comes out.
inline constexpr const char* kRunGroup = "Run";

class QuantizeBinding {
 public:
  explicit QuantizeBinding(CLI::App& app, const std::string& default_preset = "default")
      : app_(app), default_preset_(default_preset), preset_(default_preset) {}

  // Adds every option that ends in QuantizeOptions.
  void AddAll();

  // Defaults, then the preset, then what the user set, beside a plan. Throws
  // Error(kInvalidArgument) for a flag that has no effect on all of that.
  QuantizeOptions Options(std::vector<LayerPlan> plan = {}) const;
  // The same of several command lines at once: what a later one sets counts over the earlier ones',
  // the preset too; lists grow. Of the last alone each flag must have an effect, on what all of
  // them together say.  Throws Error(kInvalidArgument).
  static QuantizeOptions Options(const std::vector<const QuantizeBinding*>& bindings);
  // What this command line sets, whether or not anything reads it.
  QuantizeOptions UncheckedOptions() const { return Overlaid({this}); }
  // Throws Error(kInvalidArgument) for a flag that has no effect on any of `rows`, which are what
  // the command line becomes together with others.
  void CheckSomeReadOptions(const std::vector<QuantizeOptions>& rows) const;
  // Throws Error(kInvalidArgument) where a flag was given that has no effect on `options`: of use
  // again after Options() where they have got labels since.
  void CheckOptionsAreRead(const QuantizeOptions& options) const;
  // The file that --calib-labels names on the last of the command lines that has it; "" = none.
  // The command reads it, and puts its labels into TaskHessianOptions.
  static std::string CalibLabels(const std::vector<const QuantizeBinding*>& bindings);
  // What the user set: option -> values, but for what never changes the result.
  std::map<std::string, std::vector<std::string>> SetOptions() const;
  const std::string& preset() const { return preset_; }

 private:
  template <typename T>
  CLI::Option* Bind(const std::string& flag, const std::string& help, const std::string& group,
                    T& (*field)(QuantizeOptions&)) {
    QuantizeOptions defaults;
    auto value = std::make_shared<T>(field(defaults));
    CLI::Option* option = app_.add_option(flag, *value, help)->capture_default_str()->group(group);
    overlays_.push_back([value, option, field](QuantizeOptions& options) {
      if (option->count() > 0) field(options) = *value;
    });
    return option;
  }

  // "20:2", in the optimizer's group.
  void BindStartAndEnd(const std::string& flag, const std::string& help,
                       double& (*start)(QuantizeOptions&), double& (*end)(QuantizeOptions&));
  void AddScheme();
  void AddAblations();
  void AddActivations();
  void AddTransforms();
  void AddOptimizer();
  void AddDiscrete();
  void AddLayers();
  void AddRun();
  // Flags and methods agree with MethodOptions(): every optimizer flag has a row.
  void CheckMethodOptions() const;
  static QuantizeOptions Overlaid(const std::vector<const QuantizeBinding*>& bindings);

  CLI::App& app_;
  std::string default_preset_;
  std::string preset_;
  std::string calib_labels_;
  std::vector<std::string> names_;  // of the options added here
  std::vector<std::function<void(QuantizeOptions&)>> overlays_;
};

// "3G", "512M", "1000000": bytes.  Throws Error(kInvalidArgument).
int64_t ParseBytes(const std::string& text);

}  // namespace adaround::cli
