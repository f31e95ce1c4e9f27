# scripts/check_error_index.py finds each kind of violation, and nothing in a tree that has none.
source "$(dirname "$0")/lib.sh"
CHECK=("$PYTHON" "$SOURCE/scripts/check_error_index.py")

# put PATH LINE...
put() {
  mkdir -p "$(dirname "$1")"
  printf '%s\n' "${@:2}" >"$1"
}
# page ENTRY...: an index whose section of exit code 3 has these messages.
page() {
  put tree/src/docs/errors.md '## Exit code 2: usage' '| `no such bits: ...` | a | b |' \
    '## Exit code 3: files' "${@/#/| }"
}
clean_tree() {
  rm -rf tree
  put tree/src/cli/exit_code.h 'enum ExitCode { kExitOk = 0, kExitUsage = 2, kExitBadInput = 3 };' \
    'case ErrorCode::kInvalidArgument: return kExitUsage;' 'case ErrorCode::kMalformed:' \
    'case ErrorCode::kUnsupported: return kExitBadInput;'
  put tree/src/cli/bits.cc 'throw Error(ErrorCode::kInvalidArgument, "no such bits: " + bits);'
  put tree/src/io/file.h '[[noreturn]] void ThrowDamaged(const std::string& what);'
  put tree/src/io/file.cc 'throw Error(ErrorCode::kMalformed, name + ": holds " + count + " of "' \
    '            "all bytes; fetch it again");' 'const int million = 1'"'"'000;'
  put tree/src/io/zip.cc 'void F() { if (bad) ThrowDamaged("the archive is damaged"); }'
  page '`holds ... of all bytes` | a | b |' '`the archive is damaged` | a | b |'
}
# violation MESSAGE: of the tree as it now is.
violation() {
  expect_exit 1 "${CHECK[@]}" tree
  expect_stdout_contains "$1"
  [[ $(wc -l <"$LAST_STDOUT") == 1 ]] || fail "more than one violation"
}
clean_tree
expect_exit 0 "${CHECK[@]}" tree
expect_stdout_empty

# A message that nobody says any more, in the whole or in its order.
page '`holds ... of all bytes` | a | b |' '`the archive is damaged` | a | b |' \
  '`the archive is old` | a | b |'
violation "errors.md:6: no statement says 'the archive is old'"
page '`of all bytes ... holds` | a | b |' '`the archive is damaged`, `fetch it again` | a | b |'
violation "no statement says 'of all bytes ... holds'"

# Under another exit code than its own.
clean_tree
sed -i 's/ThrowDamaged("/throw Error(ErrorCode::kInvalidArgument, "/' tree/src/io/zip.cc
expect_exit 1 "${CHECK[@]}" tree
expect_stdout_contains "'the archive is damaged' ends with exit code 2, not 3"
clean_tree
sed -i 's/kExitBadInput = 3/kExitBadInput = 3, kExitGate = 4/' tree/src/cli/exit_code.h
violation 'no section for exit code 4 (kExitGate)'

# A file, and a kind of error of a file, without an entry.
clean_tree
page '`holds ... of all bytes` | a | b |'
violation 'src/io/zip.cc: no entry for its messages'
clean_tree
put tree/src/io/tar.cc '// ThrowDamaged("in a comment");' \
  'throw Error(ErrorCode::kUnsupported, "no such tape");'
violation 'src/io/tar.cc: no entry under exit code 3 for its messages'
clean_tree
echo 'throw Error(ErrorCode::kInvalidArgument, "not this file");' >>tree/src/io/file.cc
violation 'src/io/file.cc: no entry under exit code 2 for its messages'
