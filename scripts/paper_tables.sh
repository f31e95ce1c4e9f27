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

cifar=("$eval_folder/cifar10_resnet20" --calib "$eval_folder/data/cifar10/calib"
  --data "$eval_folder/data/cifar10/test" --labels "$eval_folder/data/cifar10/test_labels.npy")
imagenet=(--calib "$eval_folder/data/imagenet/calib" --data "$eval_folder/data/imagenet/test"
  --labels "$eval_folder/data/imagenet/test_labels.csv")
paper=(--table 2,3,4,5,6,8,10 --methods nearest,descent,gptq,adaround --repeats 3)

compare resnet20-w4 "${cifar[@]}" --bits 4 "${paper[@]}"

# Depthwise networks: what equalization does, then the literature's rows, one seed.
for network in mobilenetv1_025 mobilenetv2; do
  compare "$network-equalized" "$eval_folder/imagenet_$network" "${imagenet[@]}" --repeats 3 \
    --variant "adaround, equalized=--method adaround --equalize" \
    --variant "adaround, equalized, asymmetric=--method adaround --equalize --asymmetric" \
    --variant "nearest, equalized=--method nearest --equalize" \
    --variant "nearest, equalized, bias correction=--method nearest --equalize --bias-correction empirical"
done

output=(--method adaround --equalize --asymmetric --range-estimator output-mse)
compare mobilenetv1_025-output "$eval_folder/imagenet_mobilenetv1_025" "${imagenet[@]}" --repeats 3 \
  --variant "adaround, equalized, asymmetric, output MSE=${output[*]}" \
  --variant "adaround, equalized, asymmetric, output MSE, bias correction=${output[*]} --bias-correction empirical"

compare resnet20-w2 "${cifar[@]}" --bits 2 "${paper[@]}"

for network in mobilenetv1_025 mobilenetv2; do
  compare "$network-literature" "$eval_folder/imagenet_$network" "${imagenet[@]}" --table 7
done
compare resnet20-literature "${cifar[@]}" --table 7

# 100 draws of stochastic rounding, first layer.
compare resnet20-w2-draws "${cifar[@]}" --bits 2 --table 1,fig1
compare resnet20-w4-draws "${cifar[@]}" --bits 4 --table 1,fig1

# DeepLab at 513 x 513 against its own float output, on 32 pictures to calibrate and 32 to measure.
for set in calib test; do
  mkdir -p "$out/pictures/$set"
  for picture in $(find "$eval_folder/data/imagenet/$set" -name '*.jpg' | sort | head -32); do
    cp -n "$picture" "$out/pictures/$set/"
  done
done
compare deeplab-w4 "$eval_folder/voc_deeplabv3_mnv2" --calib "$out/pictures/calib" \
  --data "$out/pictures/test" --resize 513 --crop 513 --table 9

# Amounts of data, and pictures of another domain at the network's 32 x 32.
compare resnet20-data "${cifar[@]}" --bits 2 --table fig4 --calib-samples 64,256,1024
compare resnet20-domain "${cifar[@]}" --bits 2 --methods nearest,adaround --calib-samples 300 \
  --other-calib "imagenet=$eval_folder/data/imagenet/calib" --resize 32 --crop 32
