#!/usr/bin/env bash
# Sets up, then quantizes the shipped depthwise network to 4 bits with one scale per tensor, next to
# rounding to nearest, and measures both on its test images.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/build.sh
build/release/adaround quantize models/fashion_mobilenet/model.json --bits 4 --granularity tensor \
  --calib models/data/fashion/calib --data models/data/fashion/test \
  --labels models/data/fashion/test_labels.npy --baseline nearest --output build/fashion-w4 --force
build/release/adaround evaluate build/fashion-w4 --data models/data/fashion/test \
  --labels models/data/fashion/test_labels.npy
