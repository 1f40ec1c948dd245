#!/usr/bin/env bash
# The long forms of tests that `make test` runs short: every attack in full size, generated matrices with many seeds.
# Bounded in count and time: the steps below take at most 15 minutes together, the build apart. Each line of STEPS is
#   SECONDS | NAME | COMMAND
# and ends as failed after its SECONDS, which are about one and a half times what it takes on two CPUs that nobody else
# uses. Commands run in the root of the tree and find the `dev` build in build/dev. `test_stress.sh NAME...` runs some.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

suites="KNUL_BIN=$PWD/build/dev/cli/knul KREPIS_LIBRARY=$PWD/build/dev/libknul.so \
KNUL_SCRIPT_PEER=$PWD/build/dev/tests/packages/knul_script_peer node tests/packages/run.mjs"
STEPS=(
  "560 | attacks          | build/dev/tests/attack/knul_attack --full --json build/attack.json"
  "110 | sim              | KNUL_SIM_SEEDS=3 build/dev/tests/sim/knul_sim_test --gtest_brief=1"
  "30  | abi_directions   | KNUL_TEST_SEEDS=100 build/dev/tests/abi/knul_abi_channel_directions_test"
  "60  | deno_directions  | KNUL_SEEDS=25 $suites directions"
  "130 | deno_peers       | KNUL_SEEDS=4 $suites peers"
)
limit_seconds=900

sum=0
for step in "${STEPS[@]}"; do
  sum=$((sum + ${step%%|*}))
done
((sum <= limit_seconds)) || { printf 'the steps may take %s s, more than %s s\n' "$sum" "$limit_seconds"; exit 1; }

scripts/bootstrap.sh
mkdir -p build
rm -f build/attack.json build/reliability.md
cmake --preset dev >build/dev.configure.log 2>&1 || { cat build/dev.configure.log; exit 1; }
scripts/show_build.py dev cmake --build --preset dev --parallel "$(nproc)"

passed=0 failed=0
for step in "${STEPS[@]}"; do
  IFS='|' read -r seconds name command <<<"$step"
  seconds=${seconds// /} name=${name// /}
  [[ $# -eq 0 || " $* " == *" $name "* ]] || continue
  printf '\n== %s (at most %s s)\n' "$name" "$seconds"
  begin=$SECONDS
  verdict=passed
  timeout --signal=TERM --kill-after=10 "$seconds" bash -c "$command" || verdict=FAILED
  [[ $verdict == passed ]] && passed=$((passed + 1)) || failed=$((failed + 1))
  printf '== %s: %s after %s s\n' "$name" "$verdict" "$((SECONDS - begin))"
done
if [[ -f build/attack.json ]]; then
  python3 scripts/attack_report.py build/attack.json >build/reliability.md
  printf '\nthe report is build/reliability.md\n'
fi
printf '\n%d passed, %d failed\n' "$passed" "$failed"
((failed == 0 && passed > 0))
