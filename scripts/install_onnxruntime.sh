#!/usr/bin/env bash
# Installs ONNX Runtime for Node into FOLDER, for the tests that run exported models in it:
#   scripts/install_onnxruntime.sh [FOLDER]      default: build/release/onnxruntime
# The tests look in the folder "onnxruntime" of their build folder and skip where it is not there.
# Node and npm may be installed already from elsewhere, and `apt-get install npm` then fails: use
# what is there.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-build/release/onnxruntime}
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
  echo "node and npm are not installed: exported models will not be run in ONNX Runtime" >&2
  exit 1
fi
if [ ! -e "$folder/node_modules/onnxruntime-node/package.json" ]; then
  mkdir -p "$folder"
  # Its scripts would fetch what graphics cards need; the library for processors is in the package.
  # Where nothing answers, a minute is enough to know it: the defaults take a quarter of an hour.
  npm install --prefix "$folder" --ignore-scripts --no-audit --no-fund --loglevel=error \
    --fetch-timeout=30000 --fetch-retries=1 onnxruntime-node@1.30.0
fi
NODE_PATH="$folder/node_modules" node -e "require('onnxruntime-node')"
