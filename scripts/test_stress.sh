#!/usr/bin/env bash
# The long forms of tests that `make test` runs short: every attack in full size, generated matrices with many seeds.
# Bounded in count and time: the steps below take at most 15 minutes together. Each line of STEPS is
#   SECONDS | NAME | COMMAND
# and ends as failed after its SECONDS. Commands run in the root of the tree and find the `dev` build in build/dev.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

STEPS=(
  "660 | attacks  | build/dev/tests/attack/knul_attack --full --json build/attack.json"
  "200 | sim      | KNUL_SIM_SEEDS=4 build/dev/tests/sim/knul_sim_test"
)
limit_seconds=900

scripts/bootstrap.sh
mkdir -p build
cmake --preset dev >build/dev.configure.log 2>&1 || { cat build/dev.configure.log; exit 1; }
cmake --build --preset dev --parallel "$(nproc)" -- --quiet

passed=0 failed=0 sum=0
for step in "${STEPS[@]}"; do
  IFS='|' read -r seconds name command <<<"$step"
  sum=$((sum + seconds))
  printf '\n== %s (at most %s s)\n' "${name// /}" "${seconds// /}"
  if timeout --signal=TERM --kill-after=10 "${seconds// /}" bash -c "$command"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    printf '== %s: FAILED\n' "${name// /}"
  fi
done
((sum <= limit_seconds)) || { printf 'the steps may take %s s, more than %s s\n' "$sum" "$limit_seconds"; exit 1; }
if [[ -f build/attack.json ]]; then
  python3 scripts/attack_report.py build/attack.json >build/reliability.md
  printf '\nthe report is build/reliability.md\n'
fi
printf '\n%d passed, %d failed\n' "$passed" "$failed"
((failed == 0))
