# Many models in one run: each by its own options, whatever becomes of the others.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

mkdir -p project/zoo elsewhere
cp -r "$MOBILENET" "$RESNET" project/zoo
chmod -R u+w project
cp -r "$IMAGES" project/calib
OPTIONS='"calib": "calib", "calib-samples": 32, "preset": "fast"'

# manifest MODELS [OPTIONS]: project/ci.json.
manifest() {
  printf '{"format": "adaround-batch", "version": 1, "output": "out/w", "options": {%s%s},\n "models": [%s]}\n' \
    "$OPTIONS" "${2:+, $2}" "$1" >project/ci.json
}
batch() { "$PROGRAM" batch project/ci.json "$@"; }
# check CODE: of the report as `rows` by name and `report`.
check() {
  expect_python "report = json.load(open('report.json'))
rows = {row['name']: row for row in report['rows']}
$1"
}

# --- each model as `quantize` would have it, from whatever folder

manifest '{"glob": "zoo/*"},
          {"model": "zoo/fashion_resnet", "name": "three bits", "options": {"bits": 3, "asymmetric": true, "exclude": ["^conv1$", "linear"]}}'
expect_exit 0 batch --report report.json --junit junit.xml
expect_stdout_contains "models: 3 done, 0 complete already, 0 failed, 0 missed a gate, 0 not run"
expect_files project/out/w fashion_mobilenet-w4 fashion_resnet-w4 "three bits"
for model in fashion_mobilenet fashion_resnet; do
  expect_exit 0 "$PROGRAM" quantize "$MODELS/$model" --calib "$IMAGES" --calib-samples 32 --preset fast -o "$model"
  for file in model.json weights.safetensors; do
    expect_same "$model/$file" "project/out/w/$model-w4/$file"
  done
done
expect_exit 0 "$PROGRAM" quantize "$RESNET" --calib "$IMAGES" --calib-samples 32 --preset fast \
  --bits 3 --asymmetric --exclude "^conv1$" --exclude linear -o three
expect_same three/weights.safetensors "project/out/w/three bits/weights.safetensors"
check '
assert [row["status"] for row in report["rows"]] == ["done"] * 3
row, own = rows["fashion_resnet-w4"], json.load(open("project/out/w/fashion_resnet-w4/report.json"))
assert row["sqnr_db"] == own["networks"][-1]["sqnr_db"] > 10
assert row["num_layers"] == len(own["layers"]) and row["quantized_bytes"] == own["quantized_bytes"]
import xml.etree.ElementTree as tree
suite = tree.parse("junit.xml").getroot()
assert suite.tag == "testsuites" and suite.attrib["tests"] == "3" and suite.attrib["errors"] == "0"
assert [case.attrib["name"] for case in suite.iter("testcase")] == list(rows)
'

# --- what is complete is left alone, what is not is made

before=$(digest_of project/out)
expect_exit 0 batch --json
expect_stdout_contains '"status": "complete"'
[[ $(digest_of project/out) == "$before" ]] || fail "complete results were touched"
rm -r "project/out/w/three bits"
kept=$(digest_of project/out/w/fashion_*)
expect_exit 0 batch
expect_stdout_contains "models: 1 done, 2 complete already, 0 failed, 0 missed a gate, 0 not run"
[[ $(digest_of project/out/w/fashion_*) == "$kept" ]] || fail "complete results were touched"
# With other options they are others, and stay unless forced.
manifest '{"glob": "zoo/*"}' '"seed": 7'
expect_exit 6 batch --report report.json
check 'assert all(row["status"] == "failed" and row["exit_code"] == 2 for row in report["rows"])
assert all("already exists" in row["message"] for row in report["rows"])'
expect_exit 0 batch --force

# --- one that fails leaves the others alone

head -c 1000 project/zoo/fashion_resnet/weights.safetensors >short
cp short project/zoo/fashion_resnet/weights.safetensors
manifest '{"model": "zoo/fashion_resnet"}, {"model": "zoo/fashion_mobilenet"},
          {"model": "zoo/fashion_mobilenet", "name": "<b>&\"\u001b[31m\u202e", "options": {"min-sqnr": 90}},
          {"model": "zoo/none", "name": "none"}' '"seed": 8'
rm -r project/out
expect_exit 6 batch --report report.json --junit junit.xml
expect_stderr_matches '^error: 3 of 4 models failed'
expect_no_escapes "$LAST_STDOUT" "$LAST_STDERR" junit.xml
check '
import xml.etree.ElementTree as tree
assert [row["status"] for row in report["rows"]] == ["failed", "done", "gate missed", "failed"], rows
assert [row["exit_code"] for row in report["rows"]] == [3, 0, 4, 3], rows
assert "weights.safetensors" in report["rows"][0]["message"]
assert "--min-sqnr" in report["rows"][2]["message"] and report["rows"][2]["sqnr_db"] > 5
suite = tree.parse("junit.xml").getroot()
assert (suite.attrib["failures"], suite.attrib["errors"]) == ("1", "2"), suite.attrib
cases = list(suite.iter("testcase"))
assert "weights.safetensors" in cases[0].find("error").attrib["message"]
assert "--min-sqnr" in cases[2].find("failure").attrib["message"]
assert len(cases[1]) == 0 and "<b>" in cases[2].attrib["name"]
'
# A gate that was missed is missed the next time, too, without the work.
expect_exit 6 batch --report report.json
check 'assert [row["status"] for row in report["rows"]] == ["failed", "complete", "gate missed", "failed"]'
expect_exit 6 batch --fail-fast --report report.json
check 'assert [row["status"] for row in report["rows"]] == ["failed"] + ["not run"] * 3'

# --- interrupted: what is finished stays, the same command goes on

cp -r "$RESNET/." project/zoo/fashion_resnet
rm -r project/out
manifest '{"model": "zoo/fashion_mobilenet"}, {"model": "zoo/fashion_resnet", "options": {"iterations": 3000, "preset": "default", "calib-samples": 0}}'
: >"$LAST_STDERR"
"$PROGRAM" batch project/ci.json --report report.json >"$LAST_STDOUT" 2>"$LAST_STDERR" &
process=$!
for ((i = 0; i < 3000; ++i)); do
  if grep -q 'model 2 of 2' "$LAST_STDERR" && grep -q '^\[ *2/' <(sed '/model 2 of 2/,$!d' "$LAST_STDERR"); then break; fi
  kill -0 $process 2>/dev/null || break
  sleep 0.02
done
kill -INT $process
expect_end 130 $process
expect_stderr_contains "the same command goes on from there"
check 'assert [row["status"] for row in report["rows"]] == ["done", "not run"], rows'
expect_exit 0 batch
expect_stdout_contains "models: 1 done, 1 complete already"
expect_stderr_contains "finished layers are in"

# --- the plan of a dry run is what a shell takes

cp -r "$RESNET" "project/zoo/it's \$(net)"
manifest '{"model": "zoo/it'"'"'s $(net)", "name": "net"}'
expect_exit 0 "$PROGRAM" batch project/ci.json --dry-run
[[ $(bash -c "set -- $(cat "$LAST_STDOUT"); printf '%s|' \"\$@\"") == *"|zoo/it's \$(net)|"* ]] ||
  fail "words of the command line are not what the manifest says"
rm -r "project/zoo/it's \$(net)"
# Characters that are none for a terminal, too.
name=$'new\nline \x1b[31m\xe2\x80\xae\\'
cp -r "$RESNET" "project/zoo/$name"
manifest '{"model": "zoo/new\nline \u001b[31m\u202e\\", "name": "net"}'
expect_exit 0 "$PROGRAM" batch project/ci.json --dry-run
expect_no_escapes "$LAST_STDOUT"
[[ $(wc -l <"$LAST_STDOUT") == 1 ]] || fail "a command line of several lines"
[[ $(bash -c "set -- $(cat "$LAST_STDOUT"); printf '%s|' \"\$@\"") == *"|zoo/$name|"* ]] ||
  fail "words of the command line are not what the manifest says"
rm -r "project/zoo/$name"

# --- a manifest says all that its models are made with: variables are the batch's own

manifest '{"model": "zoo/fashion_mobilenet", "options": {"symmetric": true}}' '"asymmetric": true'
expect_exit 0 env ADAROUND_SEED=9 ADAROUND_ASYMMETRIC=1 ADAROUND_REPORT=all.json \
  "$PROGRAM" batch project/ci.json --dry-run
expect_stdout_contains "--calib=calib"
expect_stdout_lacks "seed"
expect_stdout_lacks "report"
# What a model says itself comes before what excludes it for all.
expect_stdout_contains "--symmetric"
expect_stdout_lacks "--asymmetric"

# --- reports lie beside the manifest, and over nothing that is read

(
  cd project || exit 1
  manifest() { :; }
  expect_exit 0 "$PROGRAM" batch ci.json --report rows.json --junit junit.xml --force
  expect_exit 0 "$PROGRAM" batch ci.json --report rows.json --junit junit.xml
) || fail "reports beside the manifest"
before=$(digest_of project/zoo project/calib)
for file in zoo/fashion_mobilenet/weights.safetensors zoo/fashion_mobilenet/model.json \
  calib/input.npy ci.json out/w/fashion_mobilenet-w4/report.json; do
  expect_exit 3 batch --report "project/$file"
  expect_exit 3 batch --junit "project/$file"
  expect_exit 3 batch --log-file "project/$file"
done
# The log goes on as the results do.
expect_exit 0 batch --log-file batch.log
expect_exit 0 batch --log-file batch.log
[[ $(grep -c 'is complete already' batch.log) == 2 ]] || fail "the log was begun anew"
expect_exit 3 batch --report same --junit same
[[ $(digest_of project/zoo project/calib) == "$before" ]] || fail "an input was overwritten"
# Each is written whatever becomes of the others.
expect_exit 5 batch --report /dev/full --junit junit.xml
expect_stdout_contains "models: 0 done, 1 complete already"
[[ -s junit.xml ]] || fail "a report that fails takes the other along"

# No model's files over what another one reads, nor over the manifest.
for option in report html save-plan; do
  for file in zoo/fashion_resnet/weights.safetensors calib/input.npy ci.json; do
    manifest "{\"model\": \"zoo/fashion_mobilenet\", \"options\": {\"$option\": \"$file\"}}, {\"model\": \"zoo/fashion_resnet\"}"
    kept=$(digest_of project/zoo project/calib project/ci.json)
    expect_exit 3 batch
    expect_stderr_contains "model 'fashion_mobilenet-w4': --$option"
    [[ $(digest_of project/zoo project/calib project/ci.json) == "$kept" ]] || fail "an input was overwritten"
  done
done
manifest '{"model": "zoo/fashion_mobilenet", "options": {"output": "zoo/fashion_resnet"}}, {"model": "zoo/fashion_resnet"}'
expect_exit 3 batch
expect_stderr_contains "model 'fashion_mobilenet-w4': output zoo/fashion_resnet would overwrite"

# --- what lies at a path is one model's failure, not the batch's

ln -s loop project/loop
long=$(printf 'n%.0s' {1..300})
manifest "{\"model\": \"loop\"}, {\"model\": \"$long\"}, {\"model\": \"zoo/fashion_resnet\", \"name\": \"$long\"}, {\"model\": \"zoo/fashion_resnet\", \"name\": \"sound\"}"
for trial in 1 2; do
  expect_exit 6 batch --report report.json
  check 'assert [row["exit_code"] for row in report["rows"]] == [5, 3, 5, 0], rows'
done
rm project/loop

# --- a model that stops before its work leaves the others alone, and shows no older result's numbers

cp -r "$TEST_IMAGES" project/test
manifest '{"model": "zoo/fashion_mobilenet", "options": {"expect-float": 99, "data": "test", "labels": "labels.npy"}},
          {"model": "zoo/fashion_resnet"}'
cp "$TEST_LABELS" project/labels.npy
expect_exit 6 batch --force --report report.json
check '
assert [row["status"] for row in report["rows"]] == ["gate missed", "done"], rows
assert report["rows"][0]["sqnr_db"] is None and report["rows"][0]["num_layers"] == 0
'

# --- parts of a batch, at the same time, come to what the whole would have

rm -r project/out
manifest '{"glob": "zoo/*"}, {"glob": "zoo/*", "options": {"bits": 3}}, {"model": "zoo/fashion_resnet", "name": "last"}'
processes=()
for part in 1 2 3; do
  batch --shard $part/3 --report part$part.json >/dev/null 2>part$part.log &
  processes+=($!)
done
for process in "${processes[@]}"; do wait "$process" || fail "a shard failed: $(cat part?.log)"; done
expect_python '
parts = [json.load(open(f"part{i}.json"))["rows"] for i in (1, 2, 3)]
for rows in zip(*parts):
    assert sorted(row["status"] for row in rows) == ["done", "not run", "not run"], rows
'
before=$(digest_of project/out)
expect_exit 0 batch
expect_stdout_contains "models: 0 done, 5 complete already, 0 failed"
[[ $(digest_of project/out) == "$before" ]] || fail "the last run changed a result"
for shard in 0/3 4/3 1 a/b 1/3x -1/3 1/0; do
  expect_exit 2 batch --shard=$shard
  expect_stderr_contains "is not I/N with 1 <= I <= N"
done

# --- options may act on the layers of a plan alone

rm -r project/out
cat >project/plan.json <<'PLAN'
{"format": "adaround-plan", "version": 1, "layers": [{"name": "linear", "bits": 3,
 "symmetric": true, "granularity": "group", "range_estimator": "mse"}]}
PLAN
manifest '{"model": "zoo/fashion_resnet", "options": {"plan": "plan.json", "group-size": 8}}'
expect_exit 0 batch --dry-run
expect_exit 0 batch
manifest '{"model": "zoo/fashion_resnet", "options": {"plan": "none.json", "group-size": 8}}, {"model": "zoo/fashion_mobilenet"}'
expect_exit 6 batch
expect_stdout_contains "models: 1 done, 0 complete already, 1 failed"

# --- refusals, all before any work

rm -r project/out
# refused CODE PATTERN MODELS [OPTIONS]
refused() {
  manifest "$3" "${4:-}"
  expect_refused "$1" project/out batch
  expect_stderr_matches "$2"
}
GOOD='{"model": "zoo/fashion_mobilenet"}'
refused 2 "models\[1\]: no file matches 'none/\*'" "$GOOD, {\"glob\": \"none/*\"}"
# A pattern that would find the results as models, the next time.
mkdir -p project/out && cp -r project/zoo project/out/w
for pattern in 'out/w/*' './out//w/*' 'out/w/*/model.json'; do
  manifest "{\"glob\": \"$pattern\"}"
  expect_exit 2 batch
  expect_stderr_contains "would match the result 'out/w/fashion_mobilenet-w4"
done
rm -r project/out
for option in report html save-plan; do
  refused 2 "two models would write './beside'; give each \"$option\" of its own" \
    "{\"model\": \"zoo/fashion_mobilenet\", \"name\": \"a\", \"options\": {\"$option\": \"beside\"}}, {\"model\": \"zoo/fashion_mobilenet\", \"name\": \"b\", \"options\": {\"$option\": \"./beside\"}}"
done
refused 2 "/out/w/x.partial' is where the result '.*/out/w/x' is made" \
  '{"model": "zoo/fashion_mobilenet", "name": "x"}, {"model": "zoo/fashion_mobilenet", "name": "x.partial"}'
refused 2 "two models would be written to 'out/w/fashion_mobilenet-w4'.*\"name\"" "$GOOD, $GOOD"
refused 2 "out/w/a/b' would lie in .*out/w/a', the result of a model" \
  '{"model": "zoo/fashion_mobilenet", "options": {"output": "out/w/a/b"}},
   {"model": "zoo/fashion_mobilenet", "options": {"output": "out/w/a"}}'
for option in report html save-plan; do
  refused 2 "/out/w/a/beside' would lie in .*/out/w/a', the result of a model" \
    "{\"model\": \"zoo/fashion_mobilenet\", \"name\": \"a\"}, {\"model\": \"zoo/fashion_mobilenet\", \"name\": \"b\", \"options\": {\"$option\": \"out/w/a/beside\"}}"
done
for file in out/w/a out/w/a.partial out/w/a.partial/page; do
  refused 2 "would lie in .*/out/w/a(.partial)?', the result of a model" \
    "{\"model\": \"zoo/fashion_mobilenet\", \"name\": \"a\"}, {\"model\": \"zoo/fashion_mobilenet\", \"name\": \"b\", \"options\": {\"html\": \"$file\"}}"
done
refused 2 "models\[0\]: 'bit' is no option of .quantize.; did you mean 'bits'" "$GOOD" '"bit": 3'
refused 2 "'threads' is not a model's own" "$GOOD" '"threads": 3'
refused 2 "model 'fashion_mobilenet-wfour': .*bits" "$GOOD" '"bits": "four"'
refused 2 "'narrow-range' is a flag: true or false" "$GOOD" '"narrow-range": 3'
refused 2 "'bits' takes one value, not a list" "$GOOD" '"bits": [3, 4]'
refused 2 "model 'b': .*--preset" "$GOOD, {\"model\": \"zoo/fashion_resnet\", \"name\": \"b\", \"options\": {\"preset\": \"none\"}}"
# What options are wrong about together, too, and the last model's before the first one's work.
second() { refused 2 "$1" "$GOOD, {\"model\": \"zoo/fashion_resnet\", \"name\": \"b\", \"options\": {$2}}"; }
second "model 'b': .*bits is 9, must be 2 to 8" '"bits": 9'
second "model 'b': narrow-range needs a symmetric grid" '"narrow-range": true, "asymmetric": true'
second "model 'b': --max-drop cannot be computed: it needs --data" '"max-drop": 1'
second "model 'b': --include '\[' is not a regular expression" '"include": "["'
second "model 'b': --layer-bits '\(' is not a regular expression" '"layer-bits": "(=8"'
second "model 'b': --labels needs --data" '"labels": "labels.npy"'
second "model 'b': --verify needs --format onnx" '"verify": 4'
second "model 'b': .*--iterations.* has no effect" '"method": "nearest", "iterations": 10'
second "'list-methods' is not a model's own" '"list-methods": true'
refused 3 "models: is empty" ""
refused 3 "models\[0\]: needs either a 'model' or a 'glob'" '{}'
refused 3 "models\[0\]: needs either a 'model' or a 'glob'" '{"model": "a", "glob": "b"}'
refused 3 "models\[0\].name: must be a file's name" '{"model": "a", "name": "../b"}'
refused 3 "models\[0\].name: names many" '{"glob": "a", "name": "b"}'
refused 3 "unknown key 'mode'.*did you mean 'model'" '{"mode": "a"}'
refused 3 "options.bits: must be text, a number" "$GOOD" '"bits": {"a": 1}'
refused 3 "two equal keys|duplicate|twice" "$GOOD" '"bits": 3, "bits": 4'
echo '{"format": "adaround-model", "version": 1, "models": []}' >project/ci.json
expect_refused 3 project/out batch
expect_stderr_contains "must be 'adaround-batch'"
expect_refused 3 project/out "$PROGRAM" batch project/none.json
manifest "$GOOD"
expect_refused 3 project/out batch --report project/ci.json
