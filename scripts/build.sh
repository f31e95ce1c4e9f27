#!/usr/bin/env bash
# Installs what is missing and builds build/release/adaround; with --tests, the tests too.
set -euo pipefail
cd "$(dirname "$0")/.."
tests=OFF
[ "${1:-}" = --tests ] && tests=ON
scripts/install_dependencies.sh
cmake --preset release -DADAROUND_BUILD_TESTS=$tests
cmake --build build/release
