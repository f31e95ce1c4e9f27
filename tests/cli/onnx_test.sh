# ONNX from end to end: a float model into ONNX and back, quantization of an .onnx file, its exports,
# and what is refused.
source "$(dirname "$0")/lib.sh"

# expect_same_tensors FILE FILE: but for the metadata of the two.
expect_same_tensors() {
  expect_python '
def tensors(path):
    data = open(path, "rb").read()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__", None)
    return header, data[8 + length:]
assert tensors(sys.argv[1]) == tensors(sys.argv[2])
' "$1" "$2"
}

# model.json -> ONNX -> model.json: the same tensors, the same outputs.
expect_exit 0 "$PROGRAM" convert "$MOBILENET" --to onnx -o net.onnx --verify 3
expect_stderr_contains "verified on 3 samples, largest difference 0 "
expect_exit 0 "$PROGRAM" convert net.onnx --to json -o net --verify 3 --data "$IMAGES"
expect_files net model.json weights.safetensors
expect_same_tensors net/weights.safetensors "$MOBILENET/weights.safetensors"
expect_exit 0 "$PROGRAM" convert net --to onnx -o again.onnx
expect_exit 2 "$PROGRAM" convert net.onnx --to json -o net
expect_exit 0 "$PROGRAM" convert net.onnx --to json -o net --force
cmp -s net.onnx again.onnx || fail "the ONNX file changed on its way through model.json"

# The metadata carry the preprocessing: pixels need no flags.
expect_exit 0 "$PROGRAM" evaluate net.onnx --data "$TEST_IMAGES" --labels "$TEST_LABELS" --json
expect_python '
assert abs(json.load(open(sys.argv[1]))["top1"] - 91.05) <= 0.1
' "$LAST_STDOUT"
expect_exit 0 "$PROGRAM" inspect net.onnx
expect_stdout_contains "32 layers would be quantized"

# Quantized from either form, the integers are the same.
for source in net.onnx "$MOBILENET"; do
  expect_exit 0 "$PROGRAM" quantize "$source" --calib "$IMAGES" --preset fast --format onnx,onnx-float,aimet,aimet-0.6.1,aimet-2.0.0 \
    --verify 8 --data "$TEST_IMAGES" --labels "$TEST_LABELS" --expect-float 91 \
    -o "out-$(basename "$source")"
  expect_stderr_contains "float model: top-1 91.0"
  expect_stderr_contains "model.onnx: verified on 8 samples"
done
OUT=out-net.onnx
expect_files "$OUT" model.json weights.safetensors report.json model.onnx dequantized.onnx encodings.json \
  encodings-0.6.1.json encodings-2.0.0.json
expect_exit 0 "$PROGRAM" evaluate "$OUT/dequantized.onnx" --data "$TEST_IMAGES" \
  --labels "$TEST_LABELS" --json
cp "$LAST_STDOUT" measured-dequantized.json
expect_same_tensors "$OUT/weights.safetensors" out-fashion_mobilenet/weights.safetensors

# The export, read back, measures as the folder does.
for model in "$OUT" "$OUT/model.onnx"; do
  expect_exit 0 "$PROGRAM" evaluate "$model" --data "$TEST_IMAGES" --labels "$TEST_LABELS" --json
  cp "$LAST_STDOUT" "measured-$(basename "$model").json"
done
expect_python '
folder, exported = (json.load(open(path)) for path in sys.argv[1:3])
assert folder["top1"] == exported["top1"] and folder["agreement"] == exported["agreement"]
assert abs(folder["sqnr_db"] - exported["sqnr_db"]) < 0.01
assert json.load(open(sys.argv[3]))["top1"] == folder["top1"]
' "measured-$OUT.json" measured-model.onnx.json measured-dequantized.json
expect_exit 0 "$PROGRAM" inspect "$OUT/model.onnx"
expect_stdout_contains "integers"
expect_stdout_contains "instruction_set: "
expect_exit 0 "$PROGRAM" convert "$OUT" --to onnx -o exported.onnx --verify 2
cmp -s exported.onnx "$OUT/model.onnx" || fail "convert and quantize --format wrote different files"

# A format that cannot hold the result costs the file, not the result.
expect_exit 3 "$PROGRAM" quantize net.onnx --calib "$IMAGES" --preset fast --bits 3 \
  --format aimet-0.6.1,onnx -o three
expect_stderr_contains "encodings-0.6.1.json was left out"
expect_files three model.json weights.safetensors report.json model.onnx

# Refused, each with what to do instead; nothing is left behind.
expect_exit 2 "$PROGRAM" convert "$MOBILENET" --to onnx -o net.onnx
expect_stderr_contains "--force"
expect_exit 3 "$PROGRAM" convert net.onnx --to onnx -o net.onnx --force
expect_stderr_contains "would overwrite"
expect_exit 2 "$PROGRAM" convert "$OUT" --to json -o unwanted
expect_exit 2 "$PROGRAM" convert net.onnx --to aimet -o unwanted
expect_exit 2 "$PROGRAM" convert net.onnx --to onx -o unwanted
expect_exit 3 "$PROGRAM" convert "$OUT/model.onnx" --to onnx -o unwanted
expect_stderr_contains "convert the folder"
expect_exit 3 "$PROGRAM" quantize "$OUT/model.onnx" --calib "$IMAGES" -o unwanted
expect_stderr_contains "already quantized"
head -c 1000 net.onnx >short.onnx
expect_exit 3 "$PROGRAM" quantize short.onnx --calib "$IMAGES" -o unwanted
cp "$MODELS/data/fashion/test_labels.npy" labels.onnx
expect_exit 3 "$PROGRAM" inspect labels.onnx
expect_exit 2 "$PROGRAM" quantize net.onnx --calib "$IMAGES" --verify 2 -o unwanted
expect_stderr_contains "--format"

# Tensors in a file beside the model are the model too.
expect_exit 0 "$PYTHON" -c '
import onnx
onnx.save_model(onnx.load("net.onnx"), "external.onnx", save_as_external_data=True,
                location="external.bin", size_threshold=0)'
expect_exit 0 "$PROGRAM" convert external.onnx --to json -o external --verify 2
expect_same_tensors external/weights.safetensors net/weights.safetensors
expect_exit 3 "$PROGRAM" convert external.onnx --to onnx -o external.bin --force
expect_stderr_contains "would overwrite"
mkdir elsewhere && mv external.bin elsewhere/ && ln -s elsewhere/external.bin external.bin
expect_exit 3 "$PROGRAM" inspect external.onnx
expect_stderr_contains "external.bin"

# A float model that is far off what its owner expects is stopped before any work.
expect_exit 4 "$PROGRAM" quantize net.onnx --calib "$IMAGES" --data "$TEST_IMAGES" \
  --labels "$TEST_LABELS" --expect-float 99 -o unwanted
expect_stderr_contains "preprocessing"
expect_exit 2 "$PROGRAM" quantize net.onnx --calib "$IMAGES" --expect-float 99 -o unwanted
[[ ! -e unwanted && ! -e unwanted.partial ]] || fail "a refused command left a file behind"
