# Exported models in ONNX Runtime, at its default settings: every kind of layer on every kind of
# grid, and the shipped networks on real images, with weights alone and with activations.
# Called as: bash onnxruntime_test.sh ADAROUND_BINARY SOURCE_DIR ONNX_CASES_BINARY NODE_MODULES
set -u
if [[ $# -ne 4 ]]; then
  echo "usage: bash $0 ADAROUND_BINARY SOURCE_DIR ONNX_CASES_BINARY NODE_MODULES" >&2
  exit 1
fi
cases=$(realpath "$3")
export NODE_PATH=$(realpath -m "$4")
set -- "$1" "$2"
source "$(dirname "$0")/../cli/lib.sh"

CLIENT=$SOURCE/tests/client
command -v node >/dev/null || skip "node is not installed"
node -e "require('onnxruntime-node')" 2>/dev/null ||
  skip "ONNX Runtime is not in $NODE_PATH: scripts/install_onnxruntime.sh puts it there"

# Weights alone: to 1e-4 of the largest output, and the same class for every image.
expect_exit 0 "$cases" layers layers
expect_exit 0 node "$CLIENT/check_onnx_cases.js" layers
cat "$LAST_STDOUT"
# Operators lifted to newer opsets mean what they meant.
expect_exit 0 "$cases" lifts lifts
expect_exit 0 node "$CLIENT/check_onnx_cases.js" lifts
tail -n 1 "$LAST_STDOUT"
expect_exit 0 "$cases" networks networks "$MODELS"
expect_exit 0 node "$CLIENT/check_onnx_cases.js" networks/weights
cat "$LAST_STDOUT"

# Activations too: each operator on what the runtime computed before it, within a step of its grid.
for folder in networks/activations/*; do
  expect_exit 0 node "$CLIENT/run_onnxruntime.js" "$folder/model.onnx" "$folder/input.npy" \
    "$folder/found.npy" --optimized "$folder/optimized.onnx"
  expect_exit 0 node "$CLIENT/run_onnxruntime.js" "$folder/dump.onnx" "$folder/input.npy" \
    --all "$folder/dump"
  # 8-bit convolutions run on integers.
  case $folder in
    *_symmetric_8-a8)
      grep -q QLinearConv "$folder/optimized.onnx" || fail "no QLinearConv in $folder"
      if grep -q FusedConv "$folder/optimized.onnx"; then fail "a float convolution in $folder"; fi
      ;;
  esac
done
expect_exit 0 "$cases" check networks "$MODELS"
cat "$LAST_STDOUT"

# Larger networks, where they are.
for model in "$SOURCE"/../shared/eval/*/sample_input.npy; do
  [[ -e $model ]] || { echo "no networks in $SOURCE/../shared/eval: not run"; continue; }
  folder=$(dirname "$model")
  expect_exit 0 "$cases" network "larger/$(basename "$folder")" "$folder"
done
if [[ -d larger ]]; then
  expect_exit 0 node "$CLIENT/check_onnx_cases.js" larger
  cat "$LAST_STDOUT"
fi
