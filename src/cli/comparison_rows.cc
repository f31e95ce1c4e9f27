#include "cli/comparison_rows.h"

#include <algorithm>
#include <set>

#include "adaround/base/did_you_mean.h"
#include "adaround/base/error.h"
#include "adaround/pipeline/comparison.h"
#include "adaround/rounding/rounding_method.h"
#include "cli/method_options.h"
#include "cli/paper_tables.h"
#include "cli/shell_words.h"

namespace adaround::cli {
namespace {

[[noreturn]] void Fail(const std::string& message) {
  throw Error(ErrorCode::kInvalidArgument, message);
}

std::string Trimmed(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// The options of one row, parsed as `quantize` would.
class RowOptions {
 public:
  explicit RowOptions(const std::vector<std::string>& words) : binding_(app_) {
    app_.set_help_flag();
    binding_.AddAll();
    std::vector<std::string> reversed(words.rbegin(), words.rend());
    try {
      app_.parse(std::move(reversed));
    } catch (const CLI::ParseError& error) {
      Fail(Printable(error.what(), 600) + Suggestion(words));
    }
    for (const CLI::Option* option : app_.get_options()) {
      if (option->get_group() == kRunGroup && option->count() > 0) {
        Fail(option->get_name() + " is the same for all rows; give it to `compare` itself");
      }
    }
  }

  const QuantizeBinding& binding() const { return binding_; }
  bool ChoosesLayers() const { return app_.count("--include") + app_.count("--exclude") > 0; }

 private:
  std::string Suggestion(const std::vector<std::string>& words) const {
    std::vector<std::string> flags;
    for (const CLI::Option* option : app_.get_options()) flags.push_back(option->get_name());
    for (const std::string& word : words) {
      const std::string flag = word.substr(0, word.find('='));
      if (!flag.starts_with("--") || std::count(flags.begin(), flags.end(), flag) > 0) continue;
      const std::string meant = DidYouMean(flag, flags);
      if (meant.find("did you mean") != std::string::npos) return meant;
    }
    return "";
  }

  CLI::App app_;
  QuantizeBinding binding_;
};

class RowDefiner {
 public:
  RowDefiner(const QuantizeBinding& base, const RowRequest& request)
      : base_(base), request_(request) {}

  // `proto` holds what the row's table says; its options are the words.
  void Add(RowDefinition proto, const std::vector<std::string>& words) {
    if (proto.label.empty()) Fail("a row has no label; --variant takes LABEL=OPTIONS");
    const std::string name = "row '" + Printable(proto.label) + "'";
    if (!labels_.insert({proto.table, proto.label}).second) {
      Fail(name + " is there twice; give each row a label of its own with --variant");
    }
    if (!request_.scopes.empty()) {
      proto.scopes.clear();
      for (const std::string& scope : request_.scopes) {
        const char* layers = scope == "first" ? kFirstLayer : kAllLayers;
        if (std::count(proto.scopes.begin(), proto.scopes.end(), layers) == 0) {
          proto.scopes.push_back(layers);
        }
      }
    }
    try {
      const RowOptions row(words);
      const std::vector<const QuantizeBinding*> bindings = {&base_, &row.binding()};
      proto.options = QuantizeBinding::Options(bindings);
      if (FindRoundingMethod(proto.options.method).Reads("calib_labels")) {
        proto.calib_labels = QuantizeBinding::CalibLabels(bindings);
      }
      ShowWhatIsFound(proto.options);
      ThrowIfAny(ErrorCode::kInvalidArgument, proto.options.Validate());
      const bool has_first =
          std::count(proto.scopes.begin(), proto.scopes.end(), kFirstLayer) > 0;
      if (has_first && row.ChoosesLayers()) {
        Fail("--include and --exclude choose no layers beside --scope first");
      }
    } catch (const Error& error) {
      throw error.WithContext(name);
    }
    const bool draws = proto.options.method == kStochasticMethod;
    proto.num_draws = draws ? request_.num_draws.value_or(proto.num_draws) : 1;
    any_draws_ = any_draws_ || draws;
    rows_.push_back(std::move(proto));
  }

  bool any_draws() const { return any_draws_; }
  const std::vector<RowDefinition>& rows() const { return rows_; }

 private:
  const QuantizeBinding& base_;
  const RowRequest& request_;
  std::set<std::pair<std::string, std::string>> labels_;
  bool any_draws_ = false;
  std::vector<RowDefinition> rows_;
};

}  // namespace

bool WorksOnOneLayer(const std::string& method) { return !FindRoundingMethod(method).row_wise; }

std::vector<RowDefinition> DefineRows(const CLI::App& command, const QuantizeBinding& base,
                                      const RowRequest& request) {
  if (command.count("--method") > 0) {
    Fail("--method has no effect on a comparison; --methods takes a list of them");
  }
  if (command.count("--rounding-seed") > 0) {
    Fail("--rounding-seed has no effect on a comparison, which draws its own; it has --seed");
  }
  RowDefiner definer(base, request);
  RowDefinition own;
  own.scopes = {kAllLayers};
  for (const std::string& method : request.methods) {
    const std::vector<std::string> known = RoundingMethodNames();
    if (std::count(known.begin(), known.end(), method) == 0) {
      Fail("--methods: there is no method '" + Printable(method) + "'" +
           DidYouMean(method, known));
    }
    RowDefinition row = own;
    row.label = method;
    row.text = "--method " + method;
    definer.Add(std::move(row), {"--method", method});
  }
  for (const std::string& variant : request.variants) {
    const size_t equals = variant.find('=');
    if (equals == std::string::npos) {
      Fail("--variant: '" + Printable(variant) +
           "' is not LABEL=OPTIONS, such as \"min-max=--range-estimator min-max\"");
    }
    RowDefinition row = own;
    row.label = Trimmed(variant.substr(0, equals));
    row.text = Trimmed(variant.substr(equals + 1));
    std::vector<std::string> words;
    try {
      words = SplitShellWords(row.text);
    } catch (const Error& error) {
      throw error.WithContext("row '" + Printable(row.label) + "'");
    }
    definer.Add(std::move(row), words);
  }
  for (const std::string& name : request.tables) {
    const PaperTable& table = FindPaperTable(name);
    RowDefinition shared;
    shared.table = table.title;
    if (table.first_layer) shared.scopes.push_back(kFirstLayer);
    if (table.all_layers) shared.scopes.push_back(kAllLayers);
    shared.num_draws = table.num_draws;
    shared.sweeps_samples = table.sweeps_samples;
    for (const PaperRow& paper_row : table.rows) {
      RowDefinition row = shared;
      row.label = paper_row.label;
      row.text = paper_row.options;
      definer.Add(std::move(row), SplitShellWords(paper_row.options));
    }
  }
  if (definer.rows().empty()) {
    Fail("nothing to compare: give --methods LIST, --variant LABEL=OPTIONS or --table NAME");
  }
  if (request.num_draws && !definer.any_draws()) {
    Fail("--stochastic-samples has no effect: no row's method is " +
         std::string(kStochasticMethod));
  }
  std::vector<QuantizeOptions> options;
  for (const RowDefinition& row : definer.rows()) options.push_back(row.options);
  base.CheckSomeReadOptions(options);
  return definer.rows();
}

}  // namespace adaround::cli
