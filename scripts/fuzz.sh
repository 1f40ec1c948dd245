#!/usr/bin/env bash
# Runs each fuzz target for SECONDS_EACH seconds (default 30) on its corpus. What it finds is written to
# build/fuzz; copy a crash into fuzz/corpus/<target> to make it a regression test.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/bootstrap.sh
cmake --preset fuzz
cmake --build --preset fuzz --parallel "$(nproc)"

# A small quarantine keeps the memory of the many runs in the cache.
export ASAN_OPTIONS="halt_on_error=1:detect_leaks=1:quarantine_size_mb=16" UBSAN_OPTIONS="print_stacktrace=1"
ran=0
for target in build/fuzz/fuzz/*_fuzz; do
  [[ -x $target ]] || continue
  name="$(basename "$target")"
  mkdir -p "build/fuzz/found/$name" "fuzz/corpus/$name"
  printf '\n== %s\n' "$name"
  dictionary=()
  [[ -f fuzz/$name.dict ]] && dictionary=("-dict=fuzz/$name.dict")
  # New inputs go to the first folder, so the corpus in the tree stays as it is.
  "$target" -max_total_time="${SECONDS_EACH:-30}" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    "${dictionary[@]}" \
    -artifact_prefix="build/fuzz/found/$name/" "build/fuzz/found/$name" "fuzz/corpus/$name"
  ran=$((ran + 1))
done
((ran > 0)) || { echo "fuzz: no targets were built" >&2; exit 1; }
echo "$ran fuzz targets ran"
