#!/usr/bin/env bash
# Installs what building and testing need on a fresh Debian 12 machine; with --clang, also what
# presets asan and fuzz, and the script of the fuzzers' seeds, need. Does nothing where all of it
# is there already. Needs root (or sudo) only when something is missing.
set -euo pipefail

packages=(
  g++ cmake ninja-build
  libeigen3-dev libcli11-dev nlohmann-json3-dev libspdlog-dev libfmt-dev libssl-dev libtomlplusplus-dev
  # find_package(dnnl) fails without the OpenCL loader, find_package(libzip) without the tools.
  libdnnl-dev ocl-icd-opencl-dev
  libzip-dev zipcmp zipmerge ziptool
  libjpeg-dev libpng-dev
  libonnx-dev libprotobuf-dev protobuf-compiler
  libgtest-dev libbenchmark-dev
  # Tests only: shells whose completions, and the formatter whose manual, are checked.
  zsh fish groff
  # Tests only: one run in several processes.
  openmpi-bin openssh-client
  # Tests only: ONNX's own cases, and the framework that other expectations come from.
  libonnx-testdata python3-onnx python3-numpy python3-torchvision libopenblas0-pthread
)
# libomp: find_package(OpenMP) looks for the compiler's own.
[ "${1:-}" = --clang ] && packages+=(clang-14 llvm-14 libclang-rt-14-dev libomp-14-dev python3-pil)

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)
echo "installing: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
