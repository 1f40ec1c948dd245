#!/usr/bin/env bash
# Builds and tests the presets given (default: dev) and closes with one line over all of them:
# "N passed, N failed[, N skipped]". Fails when a test failed, a build broke, or nothing ran.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/bootstrap.sh

# GCC 12's ThreadSanitizer cannot map its shadow where the kernel randomises more than 28 bits.
without_randomisation() {
  local bits
  bits="$(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null || echo 28)"
  if ((bits > 28)) && setarch -R true 2>/dev/null; then
    setarch -R "$@"
  else
    "$@"
  fi
}

reports=()
run_preset() {
  local preset="$1" report runner=()
  report="$PWD/build/$preset/junit.xml"
  [[ $preset == tsan ]] && runner=(without_randomisation)
  printf '\n== %s: build\n' "$preset"
  cmake --preset "$preset" >"build/$preset.configure.log" 2>&1 || {
    cat "build/$preset.configure.log"
    return 1
  }
  scripts/show_build.py "$preset" cmake --build --preset "$preset" --parallel "$(nproc)" || return 1
  printf '== %s: test\n' "$preset"
  rm -f "$report"
  reports+=("$report")
  "${runner[@]}" ctest --preset "$preset" -j2 --timeout 300 --output-on-failure --output-junit "$report" \
    --progress --no-tests=error
}

mkdir -p build
broken=0
for preset in "${@:-dev}"; do
  run_preset "$preset" || {
    broken=$((broken + 1))
    printf '== %s: FAILED\n' "$preset"
  }
done
python3 scripts/sum_tests.py --broken-runs "$broken" "${reports[@]}"
