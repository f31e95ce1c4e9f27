#include "cli/man_page.h"

#include <algorithm>
#include <array>

#include "cli/exit_code.h"

namespace adaround::cli {
namespace {

struct Entry {
  const char* name;
  const char* text;
};

constexpr std::array<Entry, 3> kEnvironment = {{
    {"ADAROUND_NAME",
     "stands in for the option --name of any command that has it, such as ADAROUND_ACT_BITS for "
     "--act-bits; the command line comes before it, files of --config after it"},
    {"NO_COLOR", "where it is set to anything, messages have no colours"},
    {"TERM", "\"dumb\" turns colours and live progress off"},
}};

constexpr std::array<Entry, 3> kFiles = {{
    {"OUT/",
     "what quantize writes: model.json, weights.safetensors, report.json, and what --format asks "
     "for; it appears whole or not at all"},
    {"OUT.partial/", "OUT while it is being made"},
    {"model.json",
     "a network's graph under ONNX's names, with its weights in a safetensors file "
     "beside it"},
}};

// Text for roff: hyphens as they are typed, and no line that would be a request.
std::string Roff(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '\\': escaped += "\\e"; break;
      case '-': escaped += "\\-"; break;
      case '`': escaped += "\\(ga"; break;
      case '\'': escaped += "\\(aq"; break;
      case '~': escaped += "\\(ti"; break;
      case '^': escaped += "\\(ha"; break;
      case '\n': escaped += "\n\\&"; break;
      default: escaped += c;
    }
  }
  return escaped.starts_with('.') ? "\\&" + escaped : escaped;
}

std::string Bold(const std::string& text) {
  return "\\fB" + Roff(text) + "\\fR";
}

std::string Tagged(const std::string& tag, const std::string& text) {
  return ".TP\n" + tag + "\n" + Roff(text) + "\n";
}

std::string OptionTag(const OptionReference& option) {
  std::string names;
  for (const std::string& name : option.names) names += (names.empty() ? "" : ", ") + Bold(name);
  if (option.value.empty()) return names;
  return names + (names.empty() ? "" : " ") + "\\fI" + Roff(option.value) + "\\fR";
}

std::string Verbatim(const std::vector<std::string>& lines) {
  std::string text = ".PP\n.nf\n.RS\n";
  for (const std::string& line : lines) text += Roff(line) + "\n";
  return text + ".RE\n.fi\n";
}

std::string OptionsText(const CommandReference& command,
                        const std::vector<OptionReference>& described) {
  std::string text;
  std::vector<std::string> named;
  for (const std::string& group : command.Groups()) {
    std::string entries;
    for (const OptionReference& option : command.options) {
      if (option.group != group) continue;
      const bool known = !option.names.empty() &&
                         std::any_of(described.begin(), described.end(),
                                     [&](const auto& other) { return option.SameAs(other); });
      if (known) {
        named.push_back(Bold(option.names.back()));
      } else {
        entries += Tagged(OptionTag(option), option.FullDescription());
      }
    }
    if (entries.empty()) continue;
    if (!group.empty()) text += ".PP\n" + Roff(group) + ":\n";
    text += entries;
  }
  if (!named.empty()) text += ".PP\nAs of the commands above: " + JoinText(named, ", ") + ".\n";
  return text;
}

}  // namespace

std::string ManPage(const CommandReference& program, const std::string& version) {
  std::string text = ".TH ADAROUND 1 \"\" \"adaround " + Roff(version) + "\" \"User Commands\"\n";
  text += ".SH NAME\nadaround \\- round a neural network\\(aqs weights to few bits\n";
  text += ".SH SYNOPSIS\n";
  for (const CommandReference& command : program.commands) {
    text += Roff(command.usage) + "\n.br\n";
  }
  text += ".SH DESCRIPTION\n" + Roff(program.summary) + "\n";
  text += ".PP\nData go to standard output, messages and progress to standard error.\n";
  text += ".SH OPTIONS\n" + OptionsText(program, {});
  text += ".SH COMMANDS\n";
  std::vector<OptionReference> described;
  for (const CommandReference& command : program.commands) {
    text += ".SS " + Roff(command.name) + "\n" + Roff(command.summary) + ".\n";
    text += OptionsText(command, described);
    described.insert(described.end(), command.options.begin(), command.options.end());
    for (const std::string& note : command.notes) text += ".PP\n" + Roff(note) + "\n";
    if (!command.examples.empty()) text += Verbatim(command.examples);
  }
  text += ".SH EXIT STATUS\n";
  for (const ExitCodeMeaning& row : kExitCodes) {
    text += Tagged(Bold(std::to_string(row.code)), row.meaning);
  }
  text += ".SH ENVIRONMENT\n";
  for (const auto& [name, meaning] : kEnvironment) text += Tagged(Bold(name), meaning);
  text += ".SH FILES\n";
  for (const auto& [name, meaning] : kFiles) text += Tagged(Bold(name), meaning);
  text += ".SH EXAMPLES\n" + Verbatim(program.examples);
  text +=
      ".SH SEE ALSO\nM. Nagel, R. A. Amjad, M. van Baalen, C. Louizos, T. Blankevoort: Up or Down? "
      "Adaptive Rounding for Post\\-Training Quantization, ICML 2020, arXiv:2004.10568\n";
  return text;
}

}  // namespace adaround::cli
