#!/usr/bin/env bash
# Runs every benchmark once, for a moment: each must print its row, and none may fail.
# Usage: smoke_test.sh ADAROUND_BENCH
set -euo pipefail
bench=$1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

"$bench" --benchmark_list_tests 2>/dev/null | sort >"$scratch/listed"
[ -s "$scratch/listed" ] || { echo "no benchmark is listed"; exit 1; }
"$bench" --benchmark_min_time=0.001 --benchmark_color=false >"$scratch/rows"
# A row that ran has a time and its unit behind the name; one that failed says so instead.
awk '$2 ~ /^[0-9.e+]+$/ && $3 ~ /^(ns|us|ms|s)$/ { print $1 }' "$scratch/rows" |
  sort >"$scratch/ran"
diff "$scratch/listed" "$scratch/ran"
