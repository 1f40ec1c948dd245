#!/usr/bin/env bash
# Builds the release preset and runs every benchmark program, or those whose names are given.
# Google Benchmark programs also leave JSON in build/bench.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/bootstrap.sh
cmake --preset release
cmake --build --preset release --parallel "$(nproc)"
mkdir -p build/bench
ran=0
while read -r program; do
  name="$(basename "$program")"
  if (($# > 0)) && [[ " $* " != *" $name "* ]]; then
    continue
  fi
  printf '\n== %s\n' "$name"
  "$program" --benchmark_out="build/bench/$name.json" --benchmark_out_format=json
  ran=$((ran + 1))
done < <(find build/release/src build/release/bench -type f -executable -name '*_bench' | sort)
((ran > 0)) || { echo "bench: no benchmark of that name" >&2; exit 1; }
