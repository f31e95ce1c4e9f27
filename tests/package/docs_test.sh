# Help, manual, completions and the pages of src/docs/commands, made from the command line itself.
#   bash docs_test.sh ADAROUND_BINARY SOURCE_DIR    with DOCS in the environment: what the build made
source "$(dirname "$0")/../cli/lib.sh"

# --- the committed pages are what the program now says
LAST_COMMAND="diff -r src/docs/commands $DOCS/commands"
RENEW="cmake --build $(dirname "$DOCS") --target renew_docs"
diff -r "$SOURCE/src/docs/commands" "$DOCS/commands" >&2 ||
  fail "src/docs/commands is not current; renew it: $RENEW"

# --- help
mapfile -t COMMANDS < <(cd "$DOCS/commands" && ls -- *.md | sed 's/\.md$//' | grep -v README)
((${#COMMANDS[@]} >= 7)) || fail "few commands: ${COMMANDS[*]}"
# options_in FILE: the long options that an entry of a help page begins with.
options_in() {
  sed -nE 's/^  (-[a-z], )?(--[a-z0-9-]+).*/\2/p' "$1" | sort
}
for command in "" "${COMMANDS[@]}"; do
  # shellcheck disable=SC2086
  expect_exit 0 "$PROGRAM" $command --help
  expect_stderr_empty
  cp "$LAST_STDOUT" long
  # shellcheck disable=SC2086
  expect_exit 0 "$PROGRAM" $command -h
  expect_stderr_empty
  LAST_COMMAND="adaround $command -h beside --help"
  [[ -z $(comm -13 <(options_in long) <(options_in "$LAST_STDOUT")) ]] || fail "-h has more"
  # A page for a terminal of 80 columns, but for examples, which are to be copied.
  if grep -vE '^  adaround|^      --' long | grep -E '.{81}'; then fail "a line of more than 80"; fi
  grep -q '^Example' "$LAST_STDOUT" || [[ $command == inspect ]] || fail "no example"
  if [[ -n $command ]]; then
    # The page of the command has each option, and --help each of the page.
    expect_exit 0 diff <(options_in long) \
      <(grep -oE '^\| `[^`]*`' "$DOCS/commands/$command.md" | grep -oE -- '--[a-z0-9-]+' | sort)
  fi
done
expect_exit 0 "$PROGRAM" quantize -h
expect_stdout_contains "--bits"
expect_stdout_contains "--calib"
expect_stdout_lacks "--tabu-tenure"
expect_exit 0 "$PROGRAM" --help
expect_stdout_contains "130"
# Nothing of this machine's goes into a page.
if grep -rnF "$SOURCE" "$DOCS"; then fail "a page names a folder of this machine"; fi

# --- lists
for list in methods presets formats; do
  expect_exit 0 "$PROGRAM" quantize "--list-$list"
  expect_stderr_empty
  cp "$LAST_STDOUT" "$list"
done
expect_exit 0 "$PROGRAM" convert --list-formats
expect_same formats "$LAST_STDOUT"
expect_exit 2 "$PROGRAM" quantize --preset none
for name in $(grep -oE '\{[a-z,]+\}' "$LAST_STDERR" | tr -d '{}' | tr , ' '); do
  grep -q "^$name  *[^ ]" presets || fail "--list-presets lacks $name"
done
# What methods reach is told as src/docs/paper_tables.md has it.
grep -oE '\b[0-9]+\.[0-9][0-9]\b' methods | sort -u >figures
(($(wc -l <figures) > 15)) || fail "--list-methods tells few figures"
while read -r figure; do
  grep -q "| $figure[ |]" "$SOURCE/src/docs/paper_tables.md" || fail "$figure is measured nowhere"
done <figures

# --- completion
for shell in bash:adaround.bash zsh:_adaround fish:adaround.fish; do
  expect_exit 0 "$PROGRAM" completion "${shell%%:*}"
  expect_stderr_empty
  expect_same "$LAST_STDOUT" "$DOCS/${shell#*:}"
done
expect_refused 2 out "$PROGRAM" completion tcsh

source "$DOCS/adaround.bash"
mkdir -p files/folder
touch "files/one.npz" "files/two words.npz"
# complete_bash WORD...: what bash offers for the last word, one a line in REPLY_FILE.
complete_bash() {
  COMP_WORDS=("$@")
  COMP_CWORD=$(($# - 1))
  LAST_COMMAND="completing: $*"
  _adaround
  ((${#COMPREPLY[@]} == 0)) && : >"$LAST_STDOUT" && return
  printf '%s\n' "${COMPREPLY[@]}" >"$LAST_STDOUT"
}
expect_words() {
  [[ $(sort "$LAST_STDOUT" | tr '\n' ' ') == "${*:+$* }" ]] || fail "not: $*"
}
complete_bash adaround ""
expect_words "${COMMANDS[@]}"
complete_bash adaround qu
expect_words quantize
complete_bash adaround --ver
expect_words --verbose --version
complete_bash adaround -v
expect_words -v
complete_bash adaround quantize model.json -o files/f
expect_words files/folder
complete_bash adaround quantize model.json --gran
expect_words --granularity
complete_bash adaround quantize --granularity ""
expect_words channel group tensor
complete_bash adaround quantize --granularity = t
expect_words tensor
complete_bash adaround quantize --granularity =
expect_words channel group tensor
complete_bash adaround quantize --format onnx,aimet-
expect_words onnx,aimet-0.6.1 onnx,aimet-2.0.0
complete_bash adaround quantize --calib files/
expect_words files/folder files/one.npz "files/two words.npz"
complete_bash adaround quantize files/o
expect_words files/one.npz
complete_bash adaround quantize --bits ""
expect_words
complete_bash adaround completion ""
expect_words bash fish zsh
complete_bash adaround completion zsh -
expect_words --help -h
# Every option that help lists is offered.
for command in "${COMMANDS[@]}"; do
  "$PROGRAM" "$command" --help >long
  complete_bash adaround "$command" --
  sort "$LAST_STDOUT" >offered
  expect_exit 0 diff <(options_in long) offered
done

if command -v zsh >/dev/null; then
  expect_exit 0 zsh -n "$DOCS/_adaround"
  expect_stderr_empty
  # Read, the script registers itself.
  expect_exit 0 zsh -fc 'autoload -U compinit && compinit -u -d ./dump && source "$1" &&
    print $_comps[adaround]' - "$DOCS/_adaround"
  expect_stdout_contains _adaround
  # complete_zsh LINE PATTERN: a pattern that never comes would be waited for.
  complete_zsh() {
    expect_exit 0 timeout 60 zsh -f "$SOURCE/tests/package/complete.zsh" "$DOCS/_adaround" "$@"
  }
  complete_zsh "adaround comple" "tion"
  complete_zsh "adaround quantize --granularity " "channel*group*tensor"
  complete_zsh "adaround quantize m.json --granul" "--granularity"
  complete_zsh "adaround quantize --format onnx,aimet-" "aimet-0.6.1*aimet-2.0.0"
  complete_zsh "adaround quantize --calib files/o" "files/one.npz"
  complete_zsh "adaround completion " "bash*fish*zsh"
else
  echo "zsh is not installed: its completions are not checked" >&2
fi

# complete_fish LINE: what fish offers, without descriptions.
complete_fish() {
  expect_exit 0 env HOME="$PWD" fish --no-config -c 'source $argv[1]; complete -C $argv[2]' \
    "$DOCS/adaround.fish" "$1"
  cut -f 1 "$LAST_STDOUT" >words
  mv words "$LAST_STDOUT"
}
if command -v fish >/dev/null; then
  expect_exit 0 fish --no-config --no-execute "$DOCS/adaround.fish"
  complete_fish "adaround "
  expect_words "${COMMANDS[@]}"
  complete_fish "adaround quantize --granularity "
  expect_words channel group tensor
  complete_fish "adaround quantize --format onnx,aimet-"
  expect_words onnx,aimet-0.6.1 onnx,aimet-2.0.0
  complete_fish "adaround quantize --calib files/o"
  expect_words files/one.npz
  complete_fish "adaround completion "
  expect_words bash fish zsh
  for command in "${COMMANDS[@]}"; do
    "$PROGRAM" "$command" --help >long
    complete_fish "adaround $command --"
    sed 's/=$//' "$LAST_STDOUT" | sort -u >offered
    expect_exit 0 diff <(options_in long) offered
  done
else
  echo "fish is not installed: its completions are not checked" >&2
fi

# --- manual
grep -oE '^\\fB.*' "$DOCS/adaround.1" | sed 's/\\fB//g; s/\\fR//g; s/\\-/-/g' >tags
for command in "${COMMANDS[@]}"; do
  "$PROGRAM" "$command" --help >long
  for option in $(options_in long); do
    grep -qF -- "$option" tags || grep -F "As of the commands above" "$DOCS/adaround.1" |
      sed 's/\\-/-/g' | grep -qF -- "$option" || fail "the manual lacks $option of $command"
  done
done
if command -v groff >/dev/null; then
  expect_exit 0 groff -man -ww -Kutf8 -Tutf8 -P-c -z "$DOCS/adaround.1"
  expect_stderr_empty
  expect_exit 0 groff -man -Kutf8 -Tutf8 -P-cbou "$DOCS/adaround.1"
  for section in NAME SYNOPSIS OPTIONS COMMANDS "EXIT STATUS" ENVIRONMENT FILES EXAMPLES; do
    grep -qx "$section" "$LAST_STDOUT" || fail "the manual has no section $section"
  done
  expect_stdout_contains "--memory-limit SIZE"
else
  echo "groff is not installed: the manual is not formatted" >&2
fi
