#!/usr/bin/env bash
# Measures the paper's tables on the evaluation networks, for src/docs/paper_tables.md:
#   scripts/paper_tables.sh EVAL [OUT]        OUT default: build/paper_tables
# EVAL holds cifar10_resnet20, imagenet_mobilenetv1_025, imagenet_mobilenetv2, voc_deeplabv3_mnv2
# and data/. Every comparison is a folder of OUT with its tables (compare.md) and all single runs;
# one that is there is not made again, one that was stopped goes on.
# About an hour on two cores.
set -euo pipefail
eval_folder=$(realpath "${1:?usage: scripts/paper_tables.sh EVAL [OUT]}")
out=$(realpath -m "${2:-$(dirname "$0")/../build/paper_tables}")
cd "$(dirname "$0")/.."
program=${ADAROUND:-build/release/adaround}
mkdir -p "$out"

compare() {
  local name=$1
  shift
  [ -e "$out/$name/compare.json" ] && return
  # A comparison with rows that failed is written all the same.
  "$program" compare "$@" --granularity tensor --output "$out/$name" --resume >/dev/null ||
    [ -e "$out/$name/compare.json" ]
}

cifar=(--calib "$eval_folder/data/cifar10/calib" --data "$eval_folder/data/cifar10/test"
  --labels "$eval_folder/data/cifar10/test_labels.npy")
for bits in 4 2; do
  compare "resnet20-w$bits" "$eval_folder/cifar10_resnet20" "${cifar[@]}" --bits $bits \
    --table 2,3,4,5,6,8,10 --methods nearest,descent,gptq,adaround --repeats 3
done

imagenet=(--calib "$eval_folder/data/imagenet/calib" --data "$eval_folder/data/imagenet/test"
  --labels "$eval_folder/data/imagenet/test_labels.csv")
equalized=(
  --variant "nearest after equalization=--method nearest --equalize"
  --variant "nearest after equalization + bias correction=--method nearest --equalize --bias-correction empirical"
  --variant "adaround after equalization, asymmetric=--method adaround --equalize --asymmetric")
for network in mobilenetv1_025 mobilenetv2; do
  compare "$network-w4" "$eval_folder/imagenet_$network" "${imagenet[@]}" --table 7 \
    "${equalized[@]}" --repeats 3
done
compare resnet20-literature "$eval_folder/cifar10_resnet20" "${cifar[@]}" --table 7 --repeats 3

# 100 draws of stochastic rounding, first layer.
for bits in 4 2; do
  compare "resnet20-w$bits-draws" "$eval_folder/cifar10_resnet20" "${cifar[@]}" --bits $bits \
    --table 1
done

# Amounts of data, and pictures of another domain at the network's 32 x 32.
compare resnet20-data "$eval_folder/cifar10_resnet20" "${cifar[@]}" --bits 2 --table fig4 \
  --calib-samples 64,256,1024 --repeats 3
compare resnet20-domain "$eval_folder/cifar10_resnet20" "${cifar[@]}" --bits 2 \
  --methods nearest,adaround --calib-samples 300 --repeats 3 \
  --other-calib "imagenet=$eval_folder/data/imagenet/calib" --resize 32 --crop 32

# DeepLab at 513 x 513 against its own float output, on 64 pictures to calibrate and 64 to measure.
for set in calib test; do
  mkdir -p "$out/pictures/$set"
  for picture in $(find "$eval_folder/data/imagenet/$set" -name '*.jpg' | sort | head -64); do
    cp -n "$picture" "$out/pictures/$set/"
  done
done
compare deeplab-w4 "$eval_folder/voc_deeplabv3_mnv2" --calib "$out/pictures/calib" \
  --data "$out/pictures/test" --table 9
