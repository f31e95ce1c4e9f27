# A run that is stopped, at whatever moment, ends with --resume in the bytes of an undisturbed one.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
needs_numpy

# Activations, biases and an export too: all that a layer leaves behind for the ones after it.
OPTIONS=(--calib "$IMAGES" --calib-samples 64 --iterations 300 --granularity tensor --act-bits 8
  --bias-correction empirical --format onnx --baseline nearest)
quantize() {
  "$PROGRAM" quantize "$MOBILENET" "${OPTIONS[@]}" "$@"
}

# start_and_kill SECONDS ARG...
start_and_kill() {
  local seconds=$1
  shift
  LAST_COMMAND="quantize $* killed after $seconds s"
  "$PROGRAM" quantize "$MOBILENET" "${OPTIONS[@]}" "$@" >"$LAST_STDOUT" 2>"$LAST_STDERR" &
  local process=$!
  sleep "$seconds"
  kill -KILL "$process" 2>/dev/null
  expect_end '0|137' "$process"
}

# start_and_stop SIGNAL LAYERS COMMAND...: once that many layers are finished, whatever it takes.
start_and_stop() {
  local signal=$1 layers=$2
  shift 2
  LAST_COMMAND="$* stopped by SIG$signal after $layers layers"
  : >"$LAST_STDERR"
  # Under nohup SIGHUP would be ignored.
  env --default-signal=HUP "$@" >"$LAST_STDOUT" 2>"$LAST_STDERR" &
  local process=$!
  await_lines "$layers" "$process"
  kill -s "$signal" "$process" 2>/dev/null
  expect_end "$([[ $signal == KILL ]] && echo '0|137' || echo 130)" "$process"
}

begin=$(date +%s%N)
expect_exit 0 quantize -o whole
milliseconds=$((($(date +%s%N) - begin) / 1000000))

# --- killed at random moments, again and again until a run comes to its end

RANDOM=7
resumed=0 killed=0
for ((trial = 0; trial < 12; ++trial)); do
  for ((attempt = 0; attempt < 40; ++attempt)); do
    # The first attempts are killed anywhere in a run, and some between its last steps.
    moment=$((RANDOM % (milliseconds + milliseconds / 10)))
    start_and_kill "$((moment / 1000)).$(printf '%03d' $((moment % 1000)))" \
      -o out --resume -j "$((1 + trial % 3))"
    if grep -q ' finished layers are in ' "$LAST_STDERR"; then resumed=$((resumed + 1)); fi
    [[ $LAST_EXIT -ne 137 ]] || killed=$((killed + 1))
    [[ $LAST_EXIT -ne 0 ]] || break
  done
  expect_exit 0 quantize -o out --resume
  expect_absent out.partial
  expect_same_result whole out
  rm -r out
done
echo "killed $killed runs; $resumed went on from finished layers"
((resumed > 3 && killed > 6)) || fail "only $killed kills and $resumed resumed runs"

# The other things that a layer's record holds.
for variant in "--bias-correction analytic --equalize" "--method gptq --granularity group --asymmetric" \
  "--preset fast --bits 3 --layer-bits head=8"; do
  read -ra options <<<"$variant"
  ours=(quantize "$MOBILENET" --calib "$IMAGES" --calib-samples 64 --format onnx "${options[@]}")
  expect_exit 0 "$PROGRAM" "${ours[@]}" -o whole_variant
  start_and_stop KILL 9 "$PROGRAM" "${ours[@]}" -o out
  expect_exit 0 "$PROGRAM" "${ours[@]}" -o out --resume
  expect_same_result whole_variant out
  rm -r out whole_variant
done

# --- stopped by the user

for signal in HUP INT TERM; do
  start_and_stop "$signal" 8 "$PROGRAM" quantize "$MOBILENET" "${OPTIONS[@]}" -o out \
    --log-file "$signal.log"
  expect_stderr_contains "the same command with --resume goes on from there"
  expect_absent out
  # Without a word the work is neither taken up nor lost.
  expect_exit 2 quantize -o out
  expect_stderr_contains "--resume goes on from there, --force starts afresh"
  [[ $signal == TERM ]] || {
    expect_exit 0 quantize -o out --resume --log-file "$signal.log"
    expect_same_result whole out
    # The log is the whole run's: what stopped it, and how it came to its end.
    sed -n '/goes on from there/,$p' "$signal.log" | grep -q 'wrote out' ||
      fail "the log does not go on behind the interrupted run's"
    rm -r out
  }
done

# --- what changed meanwhile is refused by name, and nothing of it is mixed in

before=$(digest_of out.partial)
expect_exit 2 quantize -o out --resume --seed 7
expect_stderr_contains "seed was '42', is '7'"
expect_exit 2 quantize -o out --resume --bits 3
expect_stderr_contains "bits was '4', is '3'"
expect_exit 2 quantize -o out --resume --exclude stem
expect_stderr_contains "exclude was '', is 'stem'"
expect_exit 2 quantize -o out --resume --scale 0.01
expect_stderr_contains "option --scale was not given, is '0.01'"
cp -r "$IMAGES" calib && chmod -R u+w calib
"$PYTHON" -c '
import numpy, sys
x = numpy.load(sys.argv[1])
x[0, 0, 0, 0] ^= 1
numpy.save(sys.argv[1], x)' calib/input.npy
expect_exit 2 "$PROGRAM" quantize "$MOBILENET" "${OPTIONS[@]/#$IMAGES/calib}" -o out --resume
expect_stderr_contains "calibration_sha256 was "
cp -r "$MOBILENET" changed && chmod -R u+w changed
sed -i 's/"opset"/ "opset"/' changed/model.json
expect_exit 2 "$PROGRAM" quantize changed "${OPTIONS[@]}" -o out --resume
expect_stderr_contains "model_sha256 was "
cp "$PROGRAM" rebuilt && printf x >>rebuilt
expect_exit 2 ./rebuilt quantize "$MOBILENET" "${OPTIONS[@]}" -o out --resume
expect_stderr_contains "program_sha256 was "
[[ $(digest_of out.partial) == "$before" ]] || fail "a refusal changed the checkpoint"

# --- a checkpoint is a file like any other

cp -r out.partial sound
restore() {
  rm -rf out.partial
  cp -r sound out.partial
}
# refused PATTERN: with exit 3, a remedy, and everything still there.
refused() {
  expect_exit 3 quantize -o out --resume
  expect_stderr_matches "$1"
  expect_stderr_contains "--force starts afresh"
  expect_absent out
  restore
}
JOURNAL=out.partial/checkpoint/journal
# append RECORD: with its digest.
append() {
  printf '%s %s\n' "$(printf '%s' "$1" | sha256sum | cut -c1-16)" "$1" >>$JOURNAL
}
printf 'x' | dd of=out.partial/checkpoint/0/weights.safetensors bs=1 seek=2000 conv=notrunc 2>/dev/null
refused "checkpoint/0: is not what the run wrote"
rm -r out.partial/checkpoint/1
refused "checkpoint/1"
truncate -s 20 out.partial/checkpoint/1/model.json
refused "checkpoint/1"
rm out.partial/checkpoint/0/weights.safetensors
mkfifo out.partial/checkpoint/0/weights.safetensors
refused "checkpoint/0"
sed -i '2s/num_rows/num_cows/' $JOURNAL
refused "journal: line 2 is damaged"
for record in '{"layer": 3, "digest": ""}' '{}' '[[[' "$(printf '[%.0s' {1..5000})"; do
  append "$record"
  refused "journal: line [0-9]+"
done
append "$(sed -n 2p $JOURNAL | cut -d' ' -f2-)"
refused "journal: line [0-9]+.*repeats layer"
# A record of a layer whose tensors are another layer's.
{
  sed -n 1p sound/checkpoint/journal
  record=$(sed -n 2p sound/checkpoint/journal | cut -d' ' -f2- |
    sed 's/"name":"[^"]*"/"name":"head.conv"/')
} >$JOURNAL
append "$record"
refused "layer 'head.conv': what an earlier run or a shard left of it does not fit"
# What was being written when the power failed is no damage.
printf '0123456789abcdef {"layer": "torn' >>$JOURNAL
mkdir -p out.partial/checkpoint/99
expect_exit 0 quantize -o out --resume
expect_same_result whole out

# --- inputs that change while they are read

cp -r "$IMAGES" changing && chmod -R u+w changing
slow=(quantize "$MOBILENET" --calib changing --calib-samples 64 --iterations 3000 -o moving)
expect_exit 0 "$PROGRAM" "${slow[@]/%moving/undisturbed}"
expect_change_refused 3 changing/input.npy "$PROGRAM" "${slow[@]}"
expect_absent moving
expect_exit 2 "$PROGRAM" "${slow[@]}" --resume
expect_stderr_contains "calibration_sha256 was"
invert changing/input.npy
expect_exit 0 "$PROGRAM" "${slow[@]}" --resume
expect_stderr_contains " finished layers are in "
for file in model.json weights.safetensors; do expect_same undisturbed/$file moving/$file; done
rm -r moving undisturbed
# Nor does it help to set the file's times back.
cp -p changing/input.npy times
invert_and_hide() {
  invert "$1"
  touch -r times "$1"
}
CHANGE=invert_and_hide expect_change_refused 3 changing/input.npy "$PROGRAM" "${slow[@]}"
invert changing/input.npy
rm -r moving.partial
# What the result is measured on, too, and what a shard or a merge reads.
cp -r "$TEST_IMAGES" changing_test && chmod -R u+w changing_test
cp "$TEST_LABELS" changing_labels.npy && chmod u+w changing_labels.npy
measured=("${slow[@]}" --data changing_test --labels changing_labels.npy)
for file in changing_test/input.npy changing_labels.npy; do
  expect_change_refused 3 "$file" "$PROGRAM" "${measured[@]}"
  expect_absent moving
  rm -r moving.partial
  invert "$file"
done
expect_change_refused 3 changing/input.npy "$PROGRAM" "${slow[@]}" --shard 1/1
expect_absent moving moving.shard-1-of-1
invert changing/input.npy
expect_exit 0 "$PROGRAM" "${slow[@]}" --shard 1/1 --resume
expect_exit 0 "$PROGRAM" "${slow[@]}" --merge-shards 1
rm -r moving moving.*

# --- what is finished already is left alone, and not taken for something else

before=$(digest_of out)
cp -r sound out.partial
expect_exit 0 quantize -o out --resume
expect_stderr_contains "out: is complete already"
expect_absent out.partial
[[ $(digest_of out) == "$before" ]] || fail "a finished result was touched"
expect_exit 0 quantize -o out --resume --report beside.json
expect_same out/report.json beside.json
expect_exit 0 quantize -o out --resume --json
expect_same out/report.json "$LAST_STDOUT"
for option in --html --save-plan; do
  expect_exit 2 quantize -o out --resume $option beside
  expect_stderr_contains "out is complete, but not what was to lie beside it: $option is made from a run alone"
  expect_absent beside
done
expect_exit 2 quantize -o out --resume --seed 7
expect_stderr_contains "already exists, and is not what this command makes: seed was '42', is '7'"
printf x | dd of=out/model.onnx bs=1 seek=100 conv=notrunc status=none
expect_exit 2 quantize -o out --resume
expect_stderr_contains "one of its files was changed"
expect_exit 0 quantize -o out --resume --force
truncate -s -1 out/weights.safetensors
expect_exit 2 quantize -o out --resume
expect_stderr_contains "already exists"
expect_exit 0 quantize -o out --resume --force
expect_same_result whole out
# What could not be written beside a result is written by the next run, from what the result keeps.
expect_exit 5 quantize -o out --force --html /dev/full --save-plan plan
expect_exit 0 quantize -o out --resume --html beside.html --save-plan plan
expect_same out/report.html beside.html
expect_same out/plan.json plan
# One that was changed meanwhile is not what the run made.
for kept in report.html plan.json; do
  cp out/$kept kept && printf x | dd of=out/$kept bs=1 seek=20 conv=notrunc status=none
  expect_exit 2 quantize -o out --resume --html beside.html --save-plan plan
  expect_stderr_contains "one of its files was changed"
  cp kept out/$kept
done
expect_exit 0 quantize -o out --resume
rm -r out beside.html plan
expect_exit 0 quantize -o out
# An export that is gone, or another run's checkpoint beside it.
rm out/model.onnx
expect_exit 2 quantize -o out --resume
expect_stderr_contains "already exists"
expect_exit 0 quantize -o out --resume --force
cp -r sound out.partial
sed -i '1s/"seed":"42"/"seed":"43"/' out.partial/checkpoint/journal
first=$(sed -n 1p out.partial/checkpoint/journal | cut -d' ' -f2-)
{
  printf '%s %s\n' "$(printf '%s' "$first" | sha256sum | cut -c1-16)" "$first"
  sed -n '2,$p' sound/checkpoint/journal
} >out.partial/checkpoint/journal
expect_exit 0 quantize -o out --resume
expect_stderr_contains "out: is complete already"
[[ -s out.partial/checkpoint/journal ]] || fail "another run's checkpoint was removed"
# It is dropped where --force says so.
expect_exit 2 quantize -o out --resume --seed 7
expect_exit 0 quantize -o out --resume --force --seed 7
expect_stderr_contains "--force is given"
expect_absent out.partial
expect_exit 0 quantize -o out --force
# What is in the way of a layer's folder is replaced, not written through.
cp -r sound fresh.partial
mkdir elsewhere
ln -s ../../elsewhere "fresh.partial/checkpoint/$(($(wc -l <sound/checkpoint/journal) - 1))"
expect_exit 0 quantize -o fresh --resume
expect_files elsewhere
expect_same_result whole fresh
cp -r sound link.partial
mv link.partial/checkpoint elsewhere/
ln -s ../elsewhere/checkpoint link.partial/checkpoint
expect_exit 3 quantize -o link --resume
expect_stderr_contains "link.partial/checkpoint: is no folder"
rm -r fresh link.partial
expect_exit 0 quantize -o fresh --resume
expect_same_result whole fresh

# --- the disk fills up, at any write

mkdir disk
if mount -t tmpfs -o size=16k none disk 2>/dev/null; then
  CLEAN_UP+=("umount $TEST_ROOT/work/disk")
  full=0
  for ((size = 16; size < 4096; size = size * 3 / 2)); do
    mount -o remount,size=${size}k disk
    run quantize -o disk/out --resume
    [[ $LAST_EXIT -ne 0 ]] || break
    [[ $LAST_EXIT -eq 5 ]] || fail "exit code $LAST_EXIT, expected 5"
    expect_stderr_contains "No space left on device"
    expect_absent disk/out
    full=$((full + 1))
  done
  echo "full $full times"
  expect_same_result whole disk/out
  ((full > 3)) || fail "the disk was full only $full times"
  # A result that is there survives a replacement that does not fit.
  cat /dev/zero >disk/filler 2>/dev/null
  truncate -s -60k disk/filler
  before=$(digest_of disk/out)
  expect_exit 5 quantize -o disk/out --force --seed 1
  [[ $(digest_of disk/out) == "$before" ]] || fail "a full disk damaged an earlier result"
else
  echo "no rights to mount a small disk: not tested" >&2
fi
