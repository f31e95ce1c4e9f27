#!/usr/bin/env bash
# Sets up, builds everything and runs the tests.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/build.sh --tests
ctest --test-dir build/release --output-on-failure -j "$(nproc)"
