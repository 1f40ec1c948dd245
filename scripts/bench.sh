#!/usr/bin/env bash
# Builds the release preset and measures: first the server as a whole beside its targets and the machine's ceiling
# (bench/run.py: one table, build/bench.json and build/bench.svg), then the Google Benchmark programs (JSON in
# build/bench). bench/README.md says how to read it.
#   scripts/bench.sh                  everything
#   scripts/bench.sh NAME...          only these programs, such as ffi_bench; "server" is bench/run.py
#   RUNS=9 scripts/bench.sh server    more runs of each figure (default 5)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/bootstrap.sh
cmake --preset bench
cmake --build --preset bench --parallel "$(nproc)"
mkdir -p build/bench
ran=0
is_wanted() { (($# < 2)) || [[ " ${*:2} " == *" $1 "* ]]; }

if is_wanted server "$@"; then
  printf '\n== server\n'
  python3 bench/run.py --runs "${RUNS:-5}" --bin build/release
  ran=$((ran + 1))
fi
while read -r program; do
  name="$(basename "$program")"
  is_wanted "$name" "$@" || continue
  printf '\n== %s\n' "$name"
  "$program" --benchmark_out="build/bench/$name.json" --benchmark_out_format=json
  ran=$((ran + 1))
done < <(find build/release/src build/release/bench -type f -executable -name '*_bench' | sort)
((ran > 0)) || { echo "bench: no benchmark of that name" >&2; exit 1; }
