#!/usr/bin/env bash
# Builds the Debian packages and shows that they install and run on a Debian of which nothing but
# the minimum is there:
#   scripts/test_package.sh [ROOT]        default: a folder of its own, removed at the end
# ROOT, where it is given and holds a Debian 12 already, is used and kept. Needs root, and
# debootstrap for a new ROOT. Takes as long as three builds of the library.
set -euo pipefail
cd "$(dirname "$0")/.."
build=build/package
cmake --preset package
cmake --build $build
(cd $build && rm -f ./*.deb && cpack)
version=$(sed -n 's/^project(adaround VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
program=$build/adaround_${version}_amd64.deb
library=$build/libadaround-dev_${version}_amd64.deb

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# --- what the packages say of themselves, and hold

field() { dpkg-deb --field "$1" "$2"; }
[ "$(field "$program" Version)" = "$version" ] || fail "version"
[ "$(field "$program" Section)" = science ] || fail "section"
[ -n "$(field "$program" Description)" ] || fail "description"
for needed in libc6 libdnnl2 libonnx1 libzip4; do
  field "$program" Depends | grep -q "$needed" || fail "does not depend on $needed"
done
if field "$program" Depends | grep -q -- -dev; then fail "depends on a -dev package"; fi
[ "$(field "$library" Depends)" = "adaround (= $version)" ] || fail "libadaround-dev's depends"
# holds PACKAGE ERE...
holds() {
  local package=$1 path
  shift
  dpkg-deb --fsys-tarfile "$package" | tar -t >"$build/contents"
  for path; do grep -qE "^\./usr/$path\$" "$build/contents" || fail "$package lacks $path"; done
}
libraries=lib/x86_64-linux-gnu
holds "$program" bin/adaround "$libraries/libadaround.so.0" \
  "$libraries/glibc-hwcaps/x86-64-v3/libadaround.so.0" \
  "$libraries/glibc-hwcaps/x86-64-v4/libadaround.so.0" share/man/man1/adaround.1 \
  share/bash-completion/completions/adaround share/zsh/vendor-completions/_adaround \
  share/fish/vendor_completions.d/adaround.fish share/doc/adaround/copyright \
  share/doc/adaround/README.md
if grep -qE 'include/|\.cmake$' "$build/contents"; then fail "$program holds headers"; fi
holds "$library" "$libraries/libadaround.so" include/adaround/pipeline/quantize.h \
  "$libraries/cmake/adaround/adaroundConfig.cmake" share/doc/libadaround-dev/copyright

# A program that is built with the library here.
CMAKE=$(command -v cmake) CXX=$(command -v c++) BUILD=$PWD/$build \
  bash tests/package/package_test.sh $build/bin/adaround .

# --- a clean Debian

root=${1:-}
clean_up() {
  umount "$root/proc" 2>/dev/null || true
  [ -n "${keep:-}" ] || rm -rf --one-file-system "$root"
}
trap clean_up EXIT
if [ -n "$root" ]; then
  keep=1
  mkdir -p "$root"
else
  root=$(mktemp -d)
fi
root=$(realpath "$root")
if [ ! -e "$root/etc/debian_version" ]; then
  debootstrap --variant=minbase bookworm "$root"
fi
cp /etc/resolv.conf "$root/etc/resolv.conf"
mount -t proc proc "$root/proc" || echo "no /proc in the clean root" >&2
inside() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
  DEBIAN_FRONTEND=noninteractive "$@"; }

rm -rf "$root/root/test"
mkdir "$root/root/test"
cp "$program" "$library" "$root/root/test/"
cp -r models "$root/root/test/"
install() {
  inside apt-get install -y -qq -o Dpkg::Use-Pty=0 --no-install-recommends "$@" >/dev/null
}
inside apt-get update -qq
install "/root/test/$(basename "$program")"

# --- it runs

inside adaround --version -v | tee $build/details
if grep -q '^this processor: x86-64-v[34]$' $build/details; then
  grep -q '^library: .*/glibc-hwcaps/' $build/details || fail "the baseline library was loaded"
fi
inside sh -c 'cd /root/test && adaround quantize models/fashion_mobilenet --bits 4 --preset fast \
  --calib models/data/fashion/calib --calib-samples 64 --data models/data/fashion/test \
  --labels models/data/fashion/test_labels.npy -o out --quiet && ls out'
inside sh -c 'cd /root/test && adaround evaluate out --data models/data/fashion/test \
  --labels models/data/fashion/test_labels.npy --quiet'
for page in share/man/man1/adaround.1 share/bash-completion/completions/adaround; do
  [ -s "$root/usr/$page" ] || fail "$page is not installed"
done
inside bash -c '. /usr/share/bash-completion/completions/adaround
  COMP_WORDS=(adaround quan) COMP_CWORD=1 && _adaround && [ "${COMPREPLY[*]}" = quantize ]' ||
  fail "completion"
if inside ldd /usr/bin/adaround | grep "not found"; then fail "libraries are missing"; fi

# --- and leaves nothing behind

install "/root/test/$(basename "$library")"
inside apt-get purge -y -qq -o Dpkg::Use-Pty=0 adaround libadaround-dev >/dev/null
if find "$root/usr" "$root/etc" -name '*adaround*' | grep .; then fail "files stayed behind"; fi
echo "passed: $(basename "$program") installs, runs and goes on a clean Debian"
