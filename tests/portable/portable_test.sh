# An installed portable build: a baseline program and one library per x86-64 level, of which ld.so
# takes the highest that the processor has.
source "$(dirname "$0")/../cli/lib.sh"

PREFIX=$(dirname "$(dirname "$PROGRAM")")
BASELINE=$(find "$PREFIX" -name 'libadaround.so.?' -not -path '*glibc-hwcaps*')
LEVELS=$(dirname "$BASELINE")/glibc-hwcaps
NAME=$(basename "$BASELINE")
V3=$LEVELS/x86-64-v3/$NAME
V4=$LEVELS/x86-64-v4/$NAME

# --- what the files hold

# count FILE ERE: instructions whose mnemonic and operands match.
count() {
  objdump -d --no-show-raw-insn "$1" | grep -cE "^ *[0-9a-f]+:[[:space:]]+($2)"
}
AVX='v[a-z0-9]+ .*%[xyz]mm'
# What else came after the first x86-64: BMI, SSE3 to SSE4.2 and single instructions. Not tzcnt: it
# is bsf with a prefix that older processors ignore.
NEWER='(mulx|rorx|sarx|shlx|shrx|andn|bextr|pdep|pext|lzcnt|popcnt|crc32|movbe)[lqw]? '
NEWER+='|(pshufb|pmull?d|pmuldq|p(max|min)(s[bd]|u[dw])|round[sp][sd]|dpp[sd]|blendv?p[sd]|pblend'
NEWER+='|hadd|hsub|addsub|movddup|mov[hl]?s[hl]?dup|insertps|extractps|p(ins|ext)r[bdq]|ptest) '
for file in "$PROGRAM" "$BASELINE"; do
  LAST_COMMAND="objdump -d $file"
  [[ $(count "$file" '(mov|call)[a-z]* .*') -gt 1000 ]] || fail "objdump shows no code"
  [[ $(count "$file" "$AVX") == 0 ]] || fail "AVX in the baseline"
  [[ $(count "$file" "$NEWER") == 0 ]] || fail "instructions newer than the baseline"
done
[[ $(count "$V3" 'vfmadd.*%ymm') -gt 100 ]] || fail "$V3 has no FMA"
[[ $(count "$V3" '.*%zmm') == 0 ]] || fail "AVX-512 in $V3"
[[ $(count "$V4" '.*%zmm') -gt 100 ]] || fail "$V4 has no AVX-512"

# Eigen is in the libraries alone, and none of it is offered to others.
LAST_COMMAND="nm -DC"
OURS='(adaround::|(typeinfo|typeinfo name|vtable) for adaround::)'
for file in "$BASELINE" "$V3" "$V4"; do
  foreign=$(nm -DC --defined-only "$file" | cut -c20- | grep -vE "^$OURS" | head -n 5)
  [[ -z $foreign ]] || fail "$file exports $foreign"
done
if nm -DC "$PROGRAM" | grep -q 'Eigen::'; then fail "Eigen in the program"; fi
run readelf -d "$PROGRAM"
expect_stdout_contains "[$NAME]"
expect_stdout_contains '[$ORIGIN/'

# --- each level runs, is chosen where no higher one is there, and says so

expect_exit 0 "$PROGRAM" --version -v
processor=$(sed -n 's/^this processor: //p' "$LAST_STDOUT")
# try LEVEL LIBRARY MASK: with the processor's features in MASK hidden from ld.so.
try() {
  local level=$1 library=$2
  export GLIBC_TUNABLES=glibc.cpu.hwcaps=$3
  expect_exit 0 "$PROGRAM" --version -v
  expect_stdout_contains "compiled for: $level ("
  expect_stdout_contains "this processor: $processor"
  grep -qxF "library: $library" <(sed "s|: .*/bin/\.\./|: $PREFIX/|" "$LAST_STDOUT") ||
    fail "another library than $library"
  # 98 % of the float network's answers here; 3 points are six standard errors of 2,000 samples.
  expect_exit 0 quantize_fast --bits 4 --granularity channel -o "$level" \
    --data "$TEST_IMAGES" --labels "$TEST_LABELS"
  unset GLIBC_TUNABLES
  expect_python 'report = json.load(open(sys.argv[1] + "/report.json"))
assert report["provenance"]["instruction_set"].startswith(sys.argv[1] + " ("), report["provenance"]
top1 = {network["name"]: network["top1"] for network in report["networks"]}
assert top1["adaround"] > top1["float"] - 3, top1' "$level"
}
try x86-64 "$BASELINE" -AVX,-AVX2,-AVX512F
if [[ $processor == x86-64-v[34] ]]; then try x86-64-v3 "$V3" -AVX512F; fi
if [[ $processor == x86-64-v4 ]]; then try x86-64-v4 "$V4" ""; fi

# --- the folder may lie anywhere

cp -r "$PREFIX" moved
expect_exit 0 moved/bin/adaround --version -v
expect_stdout_contains "$TEST_ROOT/work/moved/"
