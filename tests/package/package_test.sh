# An installed build: its files, its headers, and a program that uses the library.
#   bash package_test.sh ADAROUND_BINARY SOURCE_DIR      with, in the environment,
#   CMAKE, BUILD, CXX       the program, the build folder, the compiler
PACKAGE_TESTS=$(dirname "$(realpath "$0")")
source "$PACKAGE_TESTS/../cli/lib.sh"

expect_exit 0 "$CMAKE" --install "$BUILD" --prefix installed
PREFIX=$PWD/installed
for file in bin/adaround share/man/man1/adaround.1 \
  share/bash-completion/completions/adaround \
  share/fish/vendor_completions.d/adaround.fish share/doc/adaround/README.md \
  share/doc/adaround/LICENSE share/doc/adaround/src/docs/commands/quantize.md; do
  [[ -s $PREFIX/$file ]] || fail "not installed: $file"
done
[[ -s $(find "$PREFIX/share/zsh" -name _adaround) ]] || fail "no completions for zsh"
expect_exit 0 "$PREFIX/bin/adaround" --version

# Links of installed pages lead somewhere.
expect_python 'import pathlib, re
root = pathlib.Path(sys.argv[1])
pages = sorted(root.rglob("*.md"))
assert len(pages) > 5, pages
for page in pages:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert target.startswith("http") or (page.parent / target).exists(), (page, target)
' "$PREFIX/share/doc/adaround"

# --- every public header compiles on its own, without anything but the standard library
cd "$SOURCE/include" || exit 1
mapfile -t headers < <(find adaround -name '*.h' | sort)
cd "$TEST_ROOT/work" || exit 1
((${#headers[@]} > 30)) || fail "few headers: ${#headers[@]}"
(cd installed/include && find adaround -type f | sort) >found
expect_exit 0 diff <(printf '%s\n' "${headers[@]}") found
mkdir headers
for header in "${headers[@]}"; do
  printf '#include "%s"\n#include "%s"\n' "$header" "$header" >"headers/${header//\//_}.cc"
done
expect_exit 0 sh -c 'ls headers/*.cc | xargs -P 2 -n 8 "$0" "$@"' "$CXX" -std=c++20 -fsyntax-only \
  -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wconversion -Wno-sign-conversion -Werror \
  -I installed/include

# --- a program that finds the package makes what the command line makes
LAST_COMMAND="the page of the library"
sed -n '/^```cpp$/,/^```$/p' "$SOURCE/src/docs/library.md" | sed '1d;$d' >page.cc
cmp -s page.cc "$SOURCE/tests/consumer/main.cc" ||
  fail "src/docs/library.md shows another program than tests/consumer/main.cc"
expect_exit 0 "$CMAKE" -S "$SOURCE/tests/consumer" -B consumer -DCMAKE_PREFIX_PATH="$PREFIX" \
  -DCMAKE_CXX_COMPILER="$CXX" -DCMAKE_BUILD_TYPE=Release
expect_exit 0 "$CMAKE" --build consumer
expect_exit 0 consumer/consumer "$MOBILENET" "$IMAGES" by_library "$TEST_IMAGES" "$TEST_LABELS"
cp "$LAST_STDOUT" measured
expect_exit 0 quantize_fast --bits 4 --granularity tensor -o by_program \
  --data "$TEST_IMAGES" --labels "$TEST_LABELS"
# But for the provenance, which the command line fills in.
expect_python 'def contents(folder):
    data = open(folder + "/weights.safetensors", "rb").read()
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    assert header.pop("__metadata__")["format"] == "adaround-model"
    return header, data[end:]
def model(folder):
    document = json.load(open(folder + "/model.json"))
    document.pop("provenance")
    return document
assert contents("by_library") == contents("by_program")
assert model("by_library") == model("by_program")'
expect_python 'networks = json.load(open("by_program/report.json"))["networks"]
rows = {row["name"]: row for row in networks}
lines = dict(line.split() for line in open("measured"))
for found, wanted in [("float", rows["float"]["top1"]), ("quantized", rows["adaround"]["top1"]),
                      ("agreement", rows["adaround"]["agreement"])]:
    assert abs(float(lines[found]) - wanted) < 0.01, (found, lines, wanted)'

# --- what the package refuses
# configure VERSION...: a project that looks for that version.
configure() {
  rm -rf looks
  mkdir looks
  printf '%s\n' 'cmake_minimum_required(VERSION 3.22)' 'project(looks CXX)' \
    "find_package(adaround $1 REQUIRED)" >looks/CMakeLists.txt
  run "$CMAKE" -S looks -B looks/build -DCMAKE_PREFIX_PATH="$PREFIX"
}
configure 99.0
[[ $LAST_EXIT != 0 ]] || fail "a version that is not there was found"
config=$(find installed -name adaroundConfig.cmake)
if grep -q 'adaround_NATIVE "ON"' "$config"; then
  # As on a machine whose processor has one thing more.
  sed -i 's/STREQUAL "/STREQUAL "another;/' "$config"
  configure ""
  [[ $LAST_EXIT != 0 ]] || fail "a library for another processor was found"
  expect_stderr_contains "another machine"
fi
