#!/usr/bin/env bash
# Sets up, builds everything and runs the tests.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/build.sh --tests
# Without Node the tests that run exported models in ONNX Runtime are skipped.
scripts/install_onnxruntime.sh || echo "not installed: the ONNX Runtime tests will be skipped" >&2
ctest --test-dir build/release --output-on-failure -j "$(nproc)"
