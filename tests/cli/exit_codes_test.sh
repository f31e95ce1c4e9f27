# The exit code of each refusal, and that a refusal leaves nothing behind.
source "$(dirname "$0")/lib.sh"
needs_numpy

# --- asking for help, and usage

for command in "" quantize evaluate inspect; do
  # shellcheck disable=SC2086
  expect_exit 0 "$PROGRAM" $command --help
  expect_stdout_contains "Usage: adaround"
  expect_stderr_empty
done
expect_exit 0 "$PROGRAM" --version
expect_stdout_contains "adaround "
expect_stderr_empty
expect_refused 2 out "$PROGRAM"
expect_refused 2 out "$PROGRAM" no-such-command
expect_refused 2 out "$PROGRAM" quantize
expect_refused 2 out "$PROGRAM" quantize "$MOBILENET"
expect_refused 2 out "$PROGRAM" evaluate "$MOBILENET"
expect_refused 2 out "$PROGRAM" inspect

# usage ARG...: a wrong command line, whatever the files hold.
usage() {
  expect_refused 2 out quantize_fast -o out "$@"
}
usage --no-such-flag
usage --bit 4 --no-such-flag=1
usage --max-drop 1  # a gate that cannot be computed must not pass
usage --bits 1
usage --bits 9
usage --bits 4.5
usage --bits four
usage --bits ''
usage --bits 4294967300  # 4, cut to 32 bits
usage --granularity row
usage --granularity group --group-size 0
usage --group-size 16
usage --method nearest --iterations 100
usage --method nearest --ridge 1
usage --method nearest --symmetric-reconstruction
usage --method nearest --no-activation-in-loss
# unread METHOD OPTION VALUE...: the method does not read it.
unread() {
  usage --method "$@"
  expect_stderr_contains "$2 has no effect with --method $1"
}
unread adaround --tabu-flips 10
unread floor --gptq-damping 0.1
unread stochastic --ridge 0.1
unread qubo-cross-entropy --iterations 100
unread qubo-tabu --no-activation-in-loss
unread qubo-tabu-warm --cem-population 10
unread gptq --cem-rounds 10
usage --method gptq --gptq-damping 0
usage --method descent --sweeps 0
# Rows that are too long are refused before any layer is searched.
usage --method qubo-cross-entropy --cem-budget 1
expect_stderr_contains "takes at most 0 weights per output channel, not layer"
expect_stderr_contains "raise --cem-budget"
usage --granularity group --group-size -1
usage --method nearest --hessian-draws 4
usage --method flip-a-coin
usage --range-estimator none
usage --symmetric --asymmetric
usage --preset fastest
usage --iterations -1
usage --learning-rate nan
usage --learning-rate -0.1
usage --lambda inf
usage --warm-start 2
usage --beta 20
usage --beta 20:x
usage --method sigmoid-annealing --temperature 1
usage --method sigmoid-annealing --temperature 0.1:1
usage --method ste --ste-reach 0
usage --method ste --ste-dampening -1
# What the method does not read.
usage --temperature 1:0.1
usage --ste-reach 0.1
usage --method ste --learning-rate 0.001
usage --method sigmoid-annealing --lambda 0.1
usage --method sigmoid --temperature 1:0.1
usage --batch-size 0
usage --calib-samples -1
usage --calib-samples 513  # there are 512
usage --memory-limit 3X
usage --memory-limit -1G
usage --memory-limit 0
usage -j -1
# A slip of the fingers is recognised, in a command's name and in a flag's.
expect_refused 2 out "$PROGRAM" quantise "$MOBILENET" --calib "$IMAGES" -o out
expect_stderr_matches "did you mean 'quantize'"
expect_refused 2 out "$PROGRAM" quantize "$MOBILENET" --calib "$IMAGES" -o out --granularty tensor
expect_stderr_matches "did you mean '--granularity'"
usage --include no_such_layer
usage --exclude no_such_layer
usage --layer-bits no_such_layer=8
usage --layer-bits conv
usage --layer-bits stem=1
usage --layer-bits stem=
usage --include '('
usage --exclude '.*'  # nothing left to quantize
usage --labels "$TEST_LABELS"  # without --data
usage --progress sometimes
expect_refused 2 out "$PROGRAM" evaluate "$MOBILENET" --data "$TEST_IMAGES"  # nothing to measure

# --- input files

# There is no such file: bad input, or a failure to read.
expect_refused "3|5" out "$PROGRAM" quantize no_such_model --calib "$IMAGES" -o out
expect_stderr_matches 'no_such_model'
expect_refused "3|5" out "$PROGRAM" quantize "$MOBILENET" --calib no_such_folder -o out
expect_refused "3|5" out quantize_fast -o out --data "$TEST_IMAGES" --labels no_such_file.npy
expect_refused "3|5" out "$PROGRAM" inspect no_such_model
mkdir empty_folder
expect_refused "3|5" out "$PROGRAM" quantize empty_folder --calib "$IMAGES" -o out
expect_refused 3 out "$PROGRAM" quantize "$MOBILENET" --calib empty_folder -o out

mkdir model
# bad_model: the model in model/ is refused by each command.
bad_model() {
  local before
  before=$(digest_of model)
  expect_refused 3 out "$PROGRAM" quantize model --calib "$IMAGES" -o out
  expect_refused 3 out "$PROGRAM" inspect model
  expect_refused 3 out "$PROGRAM" evaluate model --data "$TEST_IMAGES" --labels "$TEST_LABELS"
  [[ $(digest_of model) == "$before" ]] || fail "the model was changed"
}
fresh_model() {
  cp "$MOBILENET/model.json" "$MOBILENET/weights.safetensors" model/
}
# edit_model SED_EXPRESSION: a fresh model whose model.json differs.
edit_model() {
  fresh_model
  sed "$1" "$MOBILENET/model.json" >model/model.json
  expect_different model/model.json "$MOBILENET/model.json"
}

fresh_model
truncate -s -1 model/weights.safetensors
bad_model
expect_stderr_matches 'weights\.safetensors'
truncate -s 1000 model/weights.safetensors
bad_model
truncate -s 7 model/weights.safetensors
bad_model
truncate -s 0 model/weights.safetensors
bad_model
fresh_model
printf x >>model/weights.safetensors
bad_model
rm model/weights.safetensors
expect_refused "3|5" out "$PROGRAM" quantize model --calib "$IMAGES" -o out
ln -s "$MOBILENET/weights.safetensors" model/weights.safetensors  # leaves the folder
bad_model
rm model/weights.safetensors
mkdir model/weights.safetensors
bad_model
rmdir model/weights.safetensors

edit_model '1s/{/{ "colour": "red",/'
bad_model
expect_stderr_matches 'colour'
edit_model '1s/{/{ "version": 1,/'
bad_model
expect_stderr_matches 'version'
edit_model '1s/{/{ "vers\\u0069on": 1,/'  # the same key, escaped
bad_model
edit_model '$d'
bad_model
edit_model '$s/$/ x/'
bad_model
edit_model 's/"version": 1/"version": 2/'
bad_model
edit_model 's/"version": 1/"version": NaN/'
bad_model
edit_model 's/"op": "Clip"/"op": "Clap"/'
expect_refused 3 out "$PROGRAM" quantize model --calib "$IMAGES" -o out
expect_stderr_matches "'stem.relu6'.*Clap"
expect_stderr_matches "'head.relu6'.*Clap"  # all of them are listed
expect_exit 0 "$PROGRAM" inspect model  # what is known is shown
expect_stdout_contains "shapes unknown"
expect_stdout_contains "model/model.json: no kernel at opset 13"
edit_model 's/"stem.conv.weight"/"stem.conv.weigth"/'
bad_model
expect_stderr_matches 'stem\.conv\.weigth'
edit_model 's/"weights.safetensors"/"..\/model\/weights.safetensors"/'
bad_model
: >model/model.json
bad_model
printf 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n' >model/model.json
bad_model
expect_stderr_matches 'LFS'
printf '\xff\xfe{}' >model/model.json
bad_model
"$PYTHON" -c 'print("[" * 100000)' >model/model.json
bad_model

# A weight that is no number.
make_models <<'END'
import numpy as np
from small_models import graph_input, node, write_model
weight = np.ones((4, 3), np.float32)
weight[2, 1] = np.nan
write_model("nan_weight", [graph_input("x", "N", 3)], ["y"],
            [node("fc", "Gemm", ["x", "w"], ["y"], transB=1)], {"w": weight})
END
expect_refused 3 out "$PROGRAM" quantize nan_weight --calib "$IMAGES" -o out
expect_stderr_matches '(nan|NaN)'

# --- calibration data, evaluation data and labels

"$PYTHON" - "$IMAGES/input.npy" <<'END' || fail "cannot write arrays"
import os
import sys
import numpy as np
images = np.load(sys.argv[1])[:16]
def write(folder, array, name="input.npy", **more):
    os.makedirs(folder, exist_ok=True)
    np.save(os.path.join(folder, name), array, **more)
floats = (images / 255.0).astype(np.float32)
write("good", floats)
write("data_name", floats, "inputs.npy")
write("data_shape", floats[:, :, :27, :])
write("data_rank", floats[:, 0])
write("data_dtype", floats.astype(np.int64))
write("data_complex", floats.astype(np.complex64))
write("data_objects", np.array([1, "a", None], dtype=object), allow_pickle=True)
write("data_one", floats[:1])
write("data_none", floats[:0])
write("data_scalar", np.float32(1))
bad = floats.copy()
bad[7, 0, 3, 3] = np.nan
write("data_nan", bad)
bad[7, 0, 3, 3] = np.inf
write("data_inf", bad)
write("data_constant", np.full_like(floats, 0.5))
write("data_counts", floats)
write("data_counts", np.zeros((15, 1, 28, 28), np.float32), "input.quantized.npy")
write("data_stream", floats, "input.quantized.npy")
write("data_ambiguous", floats)
write("data_ambiguous", floats, "inpu%74.npy")  # input as well
np.save("labels_outside.npy", np.full(2000, 10))
np.save("labels_negative.npy", np.full(2000, -1))
np.save("labels_float.npy", np.zeros(2000))
np.save("labels_few.npy", np.zeros(1999, np.int64))
np.save("labels_many.npy", np.zeros(2001, np.int64))
np.save("labels_empty.npy", np.zeros(0, np.int64))
END
head -c 1000 good/input.npy >cut.npy
mkdir data_cut data_junk && mv cut.npy data_cut/input.npy
head -c 200 "$MOBILENET/model.json" >data_junk/input.npy
expect_exit 0 "$PROGRAM" quantize "$MOBILENET" --calib good --method nearest -o good_out

for folder in data_*; do
  expect_refused 3 out "$PROGRAM" quantize "$MOBILENET" --calib "$folder" -o out
done
expect_refused 3 out "$PROGRAM" quantize "$MOBILENET" --calib data_name -o out
expect_stderr_matches "did you mean 'input'"
for labels in labels_*; do
  expect_refused 3 out quantize_fast -o out --data "$TEST_IMAGES" --labels "$labels"
  expect_refused 3 out "$PROGRAM" evaluate good_out --data "$TEST_IMAGES" --labels "$labels"
done
for folder in data_name data_shape data_dtype data_nan data_none; do
  expect_refused 3 out quantize_fast -o out --data "$folder"
done

# --- the output

cp -r "$MOBILENET" precious
before=$(digest_of precious)
expect_exit 3 "$PROGRAM" quantize precious --calib "$IMAGES" -o precious --force
expect_exit 3 "$PROGRAM" quantize precious/model.json --calib "$IMAGES" -o ./precious/ --force
ln -s precious link
expect_exit 3 "$PROGRAM" quantize precious --calib "$IMAGES" -o link --force
expect_exit 3 "$PROGRAM" quantize link --calib "$IMAGES" -o precious --force
[[ $(digest_of precious) == "$before" ]] || fail "the model was changed"
expect_absent precious.partial link.partial

# Nor do the other outputs replace what is read, and --force replaces results alone: neither another
# float model nor a folder with inputs inside.
fill_precious() {
  mkdir -p precious/calib precious/labels
  cp "$MOBILENET"/* precious/
  cp "$IMAGES/input.npy" precious/calib/
  cp "$TEST_LABELS" precious/labels/
}
fill_precious
before=$(digest_of precious)
keeps_inputs() {
  expect_exit "2|3" "$@"
  [[ $(digest_of precious) == "$before" ]] || fail "an input was changed"
  expect_absent precious.partial
  rm -rf out precious
  fill_precious
}
FAST=(--preset fast --calib-samples 16 --force)
keeps_inputs "$PROGRAM" quantize precious --calib "$IMAGES" "${FAST[@]}" -o out \
  --report precious/weights.safetensors
keeps_inputs "$PROGRAM" quantize precious --calib "$IMAGES" "${FAST[@]}" -o out \
  --log-file precious/model.json
keeps_inputs "$PROGRAM" evaluate precious --data "$TEST_IMAGES" \
  --labels precious/labels/test_labels.npy --log-file precious/labels/test_labels.npy
keeps_inputs "$PROGRAM" quantize "$RESNET" --calib "$IMAGES" "${FAST[@]}" -o precious
keeps_inputs "$PROGRAM" quantize "$RESNET" --calib precious/calib "${FAST[@]}" -o precious
keeps_inputs "$PROGRAM" quantize "$RESNET" --calib "$IMAGES" --data "$TEST_IMAGES" \
  --labels precious/labels/test_labels.npy "${FAST[@]}" -o precious
expect_refused 3 out "$PROGRAM" convert "$MOBILENET" --to onnx -o out --log-file out
mkdir folder
for option in --report --html --save-plan --log-file; do
  expect_refused 2 out quantize_fast -o out $option folder
  expect_stderr_contains "$option: folder is a folder; name a file"
done
# A log that ends early is said, whatever else went well; what a killed run left is in nobody's way.
expect_exit 5 "$PROGRAM" convert "$RESNET" --to onnx -o logged.onnx --log-file /dev/full
expect_stderr_contains "cannot write the log file to its end"
[[ -s logged.onnx ]] || fail "no output beside a log that could not be written"
# A run that fails keeps its own exit code.
expect_refused 3 out "$PROGRAM" inspect no_such_model --log-file /dev/full
expect_stderr_contains "no_such_model"
expect_stderr_contains "cannot write the log file to its end"
if unshare -pf true 2>/dev/null; then
  touch converted.onnx.1-0.tmp converted.onnx.1-1.tmp
  expect_exit 0 unshare -pf "$PROGRAM" convert "$RESNET" --to onnx -o converted.onnx
else
  echo "processes have the numbers they have here: no second run of one number is tried" >&2
fi
echo mine >report.json
expect_refused 2 out quantize_fast -o out --report report.json
rm -rf out
[[ $(cat report.json) == mine ]] || fail "--report replaced a file without --force"
# A report that cannot be written is noticed before the work, not after it.
expect_refused 5 out quantize_fast -o out --report no_such_folder/report.json
rm -rf out

expect_refused 5 no_such_folder/out quantize_fast -o no_such_folder/out
echo text >file
expect_refused 5 file/out quantize_fast -o file/out
expect_exit 5 bash -c '"$@" >/dev/full' - "$PROGRAM" inspect "$MOBILENET"
expect_exit 5 bash -c '"$@" >/dev/full' - "$PROGRAM" quantize --help
if [[ $(id -u) -ne 0 ]]; then
  mkdir read_only && chmod 500 read_only
  expect_refused 5 read_only/out quantize_fast -o read_only/out
fi

# The disk fills up, here as a limit on the size of a file: a disk of few pages is resume_test.sh's.
full_disk() {
  (
    trap '' XFSZ
    ulimit -f 8
    quantize_fast "$@"
  )
}
expect_exit 5 full_disk -q -o out
expect_absent out
rm -rf out.partial

# --- stopped by the user

# stop_by SIGNAL: in the middle of a run that would take minutes.
stop_by() {
  LAST_COMMAND="a long run stopped by SIG$1"
  rm -f "$LAST_STDERR"
  "$PROGRAM" quantize "$RESNET" --calib "$IMAGES" --iterations 10000000 -o out \
    >"$LAST_STDOUT" 2>"$LAST_STDERR" &
  local process=$! waited=0 was_building=no
  until grep -q '^\[ *1/' "$LAST_STDERR" 2>/dev/null || ((++waited > 300)); do sleep 0.1; done
  [[ ! -d out.partial ]] || was_building=yes
  kill -s "$1" "$process"
  local started=$SECONDS
  expect_end 130 "$process"
  [[ $was_building == yes ]] || fail "no out.partial during the run"
  ((SECONDS - started <= 20)) || fail "took $((SECONDS - started)) s to stop"
  expect_stdout_empty
  expect_absent out
  rm -r out.partial
}
stop_by INT
stop_by TERM
# `convert` leaves neither the file nor what it had not verified.
mkdir converting
for form in json onnx; do
  LAST_COMMAND="convert --to $form stopped by SIGINT"
  "$PROGRAM" convert "$RESNET" --to $form -o converting/out --verify 1000000 \
    >"$LAST_STDOUT" 2>"$LAST_STDERR" &
  process=$!
  for ((i = 0; i < 300; ++i)); do
    [[ -z $(ls converting) ]] || break
    sleep 0.1
  done
  [[ -n $(ls converting) ]] || fail "nothing is being written"
  kill -INT "$process"
  expect_end 130 "$process"
  expect_stdout_empty
  [[ -z $(ls -A converting) ]] || fail "left behind: $(ls -A converting)"
done

# --- what is written takes no other file's place

# Verified or not: devices and pipes are written to, and links stay.
mknod null c 1 3 2>/dev/null || cp -a /dev/null null 2>/dev/null || true
for verify in 0 2; do
  if [[ -c null ]]; then
    expect_exit 0 "$PROGRAM" convert "$RESNET" --to onnx -o null --verify "$verify"
    [[ -c null ]] || fail "a device was replaced"
  fi
  mkfifo pipe
  timeout 60 cat pipe >piped.onnx &
  reader=$!
  expect_exit 0 "$PROGRAM" convert "$RESNET" --to onnx -o pipe --verify "$verify"
  wait "$reader"
  [[ -p pipe ]] || fail "a pipe was replaced"
  rm pipe
  echo old >target.onnx
  ln -sf target.onnx link.onnx
  expect_exit 0 "$PROGRAM" convert "$RESNET" --to onnx -o link.onnx --verify "$verify" --force
  [[ -L link.onnx ]] || fail "a link was replaced"
  expect_same target.onnx piped.onnx
  rm piped.onnx
done

# The configuration is an input as well, however it is named.
echo 'threads = 1' >ci.toml
cp ci.toml kept.toml
quantize_fast -o result >/dev/null 2>&1
for words in "inspect $RESNET" "evaluate result --data $TEST_IMAGES --labels $TEST_LABELS" \
  "convert $RESNET --to onnx -o unwanted" "analyze $RESNET --calib $IMAGES" \
  "compare $RESNET --calib $IMAGES --methods nearest -o unwanted" "quantize $RESNET --calib $IMAGES -o unwanted"; do
  read -ra command <<<"$words"
  expect_refused 3 unwanted "$PROGRAM" "${command[@]}" --config ci.toml --log-file ci.toml
  expect_refused 3 unwanted env ADAROUND_CONFIG=ci.toml "$PROGRAM" "${command[@]}" --log-file ci.toml
done
for option in --report --html --save-plan; do
  expect_refused 3 unwanted quantize_fast -o unwanted --force --config ci.toml $option ci.toml
done
expect_refused 3 unwanted "$PROGRAM" convert "$RESNET" --to onnx -o ci.toml --force --config ci.toml
expect_same kept.toml ci.toml

# So is the float model that a result names.
cp -r "$RESNET" floating && chmod -R u+w floating
expect_exit 0 "$PROGRAM" quantize floating --calib "$IMAGES" --preset fast --calib-samples 16 -o of_floating
before=$(digest_of floating)
expect_refused 3 unwanted "$PROGRAM" evaluate of_floating --data "$TEST_IMAGES" --log-file floating/weights.safetensors
[[ $(digest_of floating) == "$before" ]] || fail "the float model was overwritten"
# By whatever way the path leads there.
mkdir -p deep/er && ln -s deep/er way && cp -r floating deep/net && mkdir net
expect_refused 3 unwanted "$PROGRAM" inspect deep/net --log-file way/../net/weights.safetensors
expect_same floating/weights.safetensors deep/net/weights.safetensors
# A report that is none, and waits for ever.
rm of_floating/report.json
mkfifo of_floating/report.json
expect_exit 0 timeout 60 "$PROGRAM" evaluate of_floating --data "$TEST_IMAGES" --labels "$TEST_LABELS"
expect_stderr_contains "no report.json names the float model"

# A file that no run before this one can have written stays, --resume or not.
echo mine >mine.txt
expect_refused 2 unwanted quantize_fast -o unwanted --resume --report mine.txt
[[ $(cat mine.txt) == mine ]] || fail "--resume replaced a file"
# Nor is a file looked for where the result is under construction.
mkdir -p new.partial
expect_exit 3 quantize_fast -o new --html new.partial/page.html
