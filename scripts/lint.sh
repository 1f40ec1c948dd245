#!/usr/bin/env bash
# The house checks of the dev build, then clang-tidy over src/, cli/ and include/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/bootstrap.sh
cmake --preset dev
cmake --build --preset dev --parallel "$(nproc)"
ctest --preset dev -L house
mapfile -t sources < <(find src cli -name '*.cpp' ! -name '*_test.cpp' ! -name '*_bench.cpp' | sort)
printf '%s\n' "${sources[@]}" | xargs -P "$(nproc)" -n 4 clang-tidy -p build/dev --quiet --extra-arg=-Wno-unknown-warning-option
