#!/usr/bin/env bash
# clang-format on every C and C++ file of the tree; --check only tells which would change. Comments are laid out by
# hand (ReflowComments is off), so --check also refuses long lines in the public headers.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
command -v clang-format >/dev/null || { echo "format: clang-format is not installed" >&2; exit 77; }
# Layout differs from version to version; the tree has that of Debian 12's.
expected=14
version="$(clang-format --version | grep -o 'version [0-9]*' | head -n 1)"
[[ $version == "version $expected" ]] || { echo "format: clang-format has $version, $expected is needed" >&2; exit 77; }
mode=(-i)
[[ ${1:-} == --check ]] && mode=(--dry-run --Werror)
mapfile -t files < <(find include src cli tests bench fuzz examples cmake \
  -path '*/node_modules' -prune -o \( -name '*.h' -o -name '*.hpp' -o -name '*.c' -o -name '*.cpp' \) -print)
((${#files[@]} > 0)) || { echo "format: found no files" >&2; exit 1; }
printf '%s\n' "${files[@]}" | xargs -P "$(nproc)" -n 20 clang-format "${mode[@]}"
if [[ ${1:-} == --check ]] && LC_ALL=C.UTF-8 grep -nE '.{111}' include/krepis/*; then
  echo "format: the lines above have more than 110 columns" >&2
  exit 1
fi
