#!/usr/bin/env bash
# check_embedding.sh CHECKOUT CMAKE: generates the build of embedder/, which adds the checkout by
# add_subdirectory, and looks that its C++ program is linked with the archive and what that is built on. It is not
# built here, which would take minutes without a compiler cache. `check_embedding.sh --build CHECKOUT CMAKE` does.
set -euo pipefail
builds=no
[[ $1 != --build ]] || { builds=yes && shift; }
checkout="$1" cmake="$2"
embedder="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/embedder"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
"$cmake" -S "$embedder" -B "$work" -G Ninja -DCMAKE_BUILD_TYPE=Release "-DKNUL_SOURCE=$checkout" >"$work/log" 2>&1 || {
  cat "$work/log"
  exit 1
}
if [[ $builds == yes ]]; then
  "$cmake" --build "$work" --target consumer_c consumer_cpp
  "$work/consumer_c" && "$work/consumer_cpp"
  exit
fi
# The line of ninja's file that links consumer_cpp.
linked="$(grep -A12 '^build consumer_cpp:' "$work/build.ninja" | grep LINK_LIBRARIES)"
for library in libknul.a ngtcp2 gnutls nettle zstd absl; do
  [[ $linked == *"$library"* ]] || { echo "consumer_cpp is linked without $library: $linked" >&2; exit 1; }
done
