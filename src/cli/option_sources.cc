#include "cli/option_sources.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string_view>

#include "adaround/base/did_you_mean.h"
#include "adaround/base/error.h"
#include "cli/command_line.h"
#include "cli/config_file.h"
#include "cli/option_names.h"
#include "cli/print_config.h"

extern char** environ;

namespace adaround::cli {
namespace {

constexpr std::string_view kPrefix = "ADAROUND_";
constexpr const char* kConfig = "config";

std::map<std::string, CLI::Option*> OptionsOf(CLI::App& command) {
  std::map<std::string, CLI::Option*> options;
  for (CLI::Option* option : command.get_options({})) {
    const std::string name = NameOf(*option);
    if (!name.empty()) options.emplace(name, option);
  }
  return options;
}

std::optional<bool> TruthOf(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const char* name : {"true", "1", "yes", "on"}) {
    if (text == name) return true;
  }
  for (const char* name : {"false", "0", "no", "off"}) {
    if (text == name) return false;
  }
  return std::nullopt;
}

// The options of one command, and those that are set so far.
class Completion {
 public:
  explicit Completion(CLI::App& command) : options_(OptionsOf(command)) {
    for (const auto& [name, option] : options_) {
      if (option->count() == 0) continue;
      set_.insert(option);
      decided_.insert(option);
    }
  }

  bool Has(const std::string& name) const { return options_.contains(name); }
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& [name, option] : options_) names.push_back(name);
    return names;
  }

  // From one source; what an earlier one has set stays.
  void Set(const GivenOption& given) {
    const auto& [name, values, is_list, source] = given;
    CLI::Option* option = options_.at(name);
    if (decided_.contains(option) || ExcludedBySet(*option)) return;
    decided_.insert(option);
    if (IsFlag(*option)) {
      const std::optional<bool> truth =
          is_list || values.empty() ? std::nullopt : TruthOf(values.front());
      if (!truth) {
        throw Error(ErrorCode::kInvalidArgument,
                    source + ": '" + name + "' is a flag: true or false, not " +
                        (is_list ? "a list" : "'" + Printable(values.front(), 80) + "'"));
      }
      if (!*truth) return;
      later_.push_back("--" + name);
    } else {
      if (is_list && option->get_items_expected_max() < 2) {
        throw Error(ErrorCode::kInvalidArgument,
                    source + ": '" + name + "' takes one value, not a list");
      }
      for (const std::string& value : values) {
        if (value.empty()) {
          throw Error(ErrorCode::kInvalidArgument,
                      source + ": '" + name + "' is empty; leave it out instead");
        }
        const bool by_place = option->get_lnames().empty();
        (by_place ? places_ : later_).push_back(by_place ? value : "--" + name + "=" + value);
      }
      if (values.empty()) return;
    }
    set_.insert(option);
    sources_.push_back(source);
    source_of_[option] = source;
  }

  // Behind the command's name; what is told by its place comes before all options.
  CompletedWords Words(const std::vector<std::string>& given) const {
    CompletedWords completed;
    completed.words = {given.front()};
    for (const auto* part : {&places_, &later_}) {
      if (part == &later_) {
        completed.words.insert(completed.words.end(), given.begin() + 1, given.end());
      }
      completed.words.insert(completed.words.end(), part->begin(), part->end());
    }
    completed.sources = sources_;
    return completed;
  }

  const std::map<const CLI::Option*, std::string>& source_of() const { return source_of_; }

 private:
  bool ExcludedBySet(const CLI::Option& option) const {
    const std::set<CLI::Option*>& excluded = option.get_excludes();
    return std::any_of(excluded.begin(), excluded.end(),
                       [&](CLI::Option* other) { return set_.contains(other); });
  }

  std::map<std::string, CLI::Option*> options_;
  std::set<const CLI::Option*> set_;
  std::set<const CLI::Option*> decided_;  // those, and flags that a source says are false
  std::vector<std::string> places_;
  std::vector<std::string> later_;
  std::vector<std::string> sources_;
  std::map<const CLI::Option*, std::string> source_of_;
};

// Names of the options of all commands.
std::set<std::string> AllNames(CLI::App& app) {
  std::set<std::string> names;
  for (CLI::App* command : app.get_subcommands({})) {
    for (const auto& [name, option] : OptionsOf(*command)) names.insert(name);
  }
  return names;
}

// The environment's variables of ours that are not empty: name -> value.
std::map<std::string, std::string> Variables() {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const size_t equals = text.find('=');
    if (!text.starts_with(kPrefix) || equals == std::string::npos) continue;
    if (equals + 1 == text.size()) continue;
    variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

std::string VariableOfName(const std::string& name) {
  std::string variable(kPrefix);
  for (const char c : name) {
    variable += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return variable;
}

void TakeVariables(CLI::App& app, Completion& completion) {
  std::map<std::string, std::string> names;  // by variable
  std::vector<std::string> variables;
  for (const std::string& name : AllNames(app)) {
    names.emplace(VariableOfName(name), name);
    variables.push_back(VariableOfName(name));
  }
  for (const auto& [variable, value] : Variables()) {
    const auto found = names.find(variable);
    if (found == names.end()) {
      throw Error(ErrorCode::kInvalidArgument, "the environment's " + Printable(variable) +
                                                   " is no option of any command" +
                                                   DidYouMean(variable, variables));
    }
    if (completion.Has(found->second)) {
      completion.Set({found->second, {value}, false, variable});
    }
  }
}

void TakeConfig(CLI::App& app, const CLI::App& chosen, const std::string& path,
                Completion& completion) {
  const std::set<std::string> all = AllNames(app);
  std::vector<std::string> commands;
  for (const CLI::App* command : app.get_subcommands({})) commands.push_back(command->get_name());
  const std::string file = Printable(path, 4096);
  std::vector<GivenOption> of_section;
  std::vector<GivenOption> of_all;
  for (const ConfigEntry& entry : ReadConfig(path)) {
    const std::string source = fmt::format("{}: line {}", file, entry.line);
    std::set<std::string> names = all;
    if (!entry.command.empty()) {
      if (std::find(commands.begin(), commands.end(), entry.command) == commands.end()) {
        throw Error(ErrorCode::kInvalidArgument, source + ": '" + Printable(entry.command) +
                                                     "' is no command" +
                                                     DidYouMean(entry.command, commands));
      }
      names.clear();
      for (const auto& [name, option] : OptionsOf(*app.get_subcommand(entry.command))) {
        names.insert(name);
      }
      if (entry.name.empty()) continue;
    }
    if (!names.contains(entry.name) || entry.name == kConfig) {
      throw Error(ErrorCode::kInvalidArgument,
                  source + ": '" + Printable(entry.name) + "' is no option of " +
                      (entry.command.empty() ? "any command" : "`" + entry.command + "`") +
                      DidYouMean(entry.name, {names.begin(), names.end()}));
    }
    const bool is_ours = entry.command.empty() || entry.command == chosen.get_name();
    if (is_ours && completion.Has(entry.name)) {
      (entry.command.empty() ? of_all : of_section)
          .push_back({entry.name, entry.values, entry.is_list, source});
    }
  }
  // What comes first stays.
  for (const auto* part : {&of_section, &of_all}) {
    for (const GivenOption& option : *part) completion.Set(option);
  }
}

// With nothing required. Null where `words` are not understood, or ask for help.
CLI::App* TryParse(CLI::App& app, const std::vector<std::string>& words) {
  for (CLI::App* command : app.get_subcommands({})) {
    for (CLI::Option* option : command->get_options({})) option->required(false);
  }
  try {
    return ParseOnly(app, words);
  } catch (const CLI::ParseError& error) {
    if (error.get_name() == "Success") throw;
    return nullptr;
  }
}

}  // namespace

CLI::App* ParseOnly(CLI::App& app, const std::vector<std::string>& words) {
  struct Parsed {
    CLI::App* command;
  };
  for (CLI::App* command : app.get_subcommands({})) {
    // The command's own callback stays: the options' variables live as long as it does.
    command->parse_complete_callback([command] { throw Parsed{command}; });
  }
  try {
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
  } catch (const Parsed& parsed) {
    return parsed.command;
  }
  return nullptr;
}

std::vector<std::string> WordsOf(const std::string& command,
                                 const std::vector<GivenOption>& options) {
  const std::unique_ptr<CLI::App> app = MakeCommandLine();
  Completion completion(*app->get_subcommand(command));
  for (const GivenOption& option : options) {
    if (!completion.Has(option.name)) {
      throw Error(ErrorCode::kInvalidArgument,
                  option.source + ": '" + Printable(option.name) + "' is no option of `" + command +
                      "`" + DidYouMean(option.name, completion.Names()));
    }
    completion.Set(option);
  }
  return completion.Words({command}).words;
}

CompletedWords CompleteWords(const std::vector<std::string>& words) {
  const std::unique_ptr<CLI::App> app = MakeCommandLine();
  CLI::App* const command = TryParse(*app, words);
  if (command == nullptr || words.front() != command->get_name()) return {words, {}};
  Completion completion(*command);
  TakeVariables(*app, completion);
  const CLI::Option* config = command->get_option_no_throw("--config");
  std::string path;
  if (config != nullptr && config->count() > 0) path = config->results().front();
  if (path.empty()) {
    const char* variable = std::getenv(VariableOfName(kConfig).c_str());
    if (config != nullptr && variable != nullptr) path = variable;
  }
  if (!path.empty()) TakeConfig(*app, *command, path, completion);
  CompletedWords completed = completion.Words(words);
  const CLI::Option* print = command->get_option_no_throw("--print-config");
  if (print == nullptr || print->count() == 0) return completed;
  std::map<std::string, std::string> sources;
  for (const auto& [option, source] : completion.source_of()) sources[NameOf(*option)] = source;
  const std::unique_ptr<CLI::App> again = MakeCommandLine();
  if (const CLI::App* parsed = TryParse(*again, completed.words)) {
    PrintConfig(*parsed, sources);
    throw CLI::Success();
  }
  return completed;
}

}  // namespace adaround::cli
