#!/usr/bin/env bash
# From a clean clone to servers with traffic: builds, runs an echo program in TypeScript on the adapter, lets
# quiche and Deno's own QUIC stack use it, lets `knul perf` use the perf service, shows the statistics, and
# drains both by SIGTERM. Succeeds only if the clients did, both servers exit with 0, and nothing was cut.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\n== %s\n' "$*"; }
die() {
  printf 'demo: %s\n' "$*" >&2
  exit 1
}

work="$(mktemp -d)"
pids=()
cleanup() {
  for pid in "${pids[@]}"; do
    kill "$pid" 2>/dev/null || true
  done
  wait
  rm -rf "$work"
}
trap cleanup EXIT

# start_server NAME FLAG...: leaves its pid in server_pid, its port in server_port, its events in NAME.events.
start_server() {
  local name="$1" log="$work/$1.log" events="$work/$1.events" deadline=$((SECONDS + 30))
  shift
  : >"$events"
  "$knul" serve --json --stats-interval 1 --host 127.0.0.1 --port 0 \
    --cert "$work/cert/cert.pem" --key "$work/cert/key.pem" "$@" >"$events" 2>"$log" &
  server_pid=$!
  pids+=("$server_pid")
  until grep -q '"event":"listening"' "$events"; do
    kill -0 "$server_pid" 2>/dev/null || die "the $name server ended: $(cat "$log")"
    ((SECONDS < deadline)) || die "the $name server does not listen: $(cat "$log")"
    sleep 0.02
  done
  server_port="$(sed -n 's/.*"event":"listening".*"port":\([0-9]*\).*/\1/p' "$events")"
  tail -n +1 -f --pid="$server_pid" "$events" | python3 -u scripts/server_events.py "$name" &
  viewers+=("$!")
}

# Leaves the program's pid in program_pid and its port in program_port; its lines go to the terminal.
start_program() {
  local lines="$work/program.lines" deadline=$((SECONDS + 60))
  : >"$lines"
  KREPIS_LIBRARY="$(dirname "$(dirname "$knul")")/libknul.so.1" \
    "$deno" run --quiet --no-check --config tests/packages/deno.json --no-prompt \
    --allow-ffi --allow-env=KREPIS_LIBRARY \
    tests/packages/demo_server.ts "$work/cert/cert.pem" "$work/cert/key.pem" >"$lines" 2>"$work/program.log" &
  program_pid=$!
  pids+=("$program_pid")
  until grep -q 'listening on' "$lines"; do
    kill -0 "$program_pid" 2>/dev/null || die "the program ended: $(cat "$work/program.log")"
    ((SECONDS < deadline)) || die "the program does not listen: $(cat "$work/program.log")"
    sleep 0.02
  done
  program_port="$(sed -n 's/.*listening on 127.0.0.1:\([0-9]*\).*/\1/p' "$lines")"
  tail -n +1 -f --pid="$program_pid" "$lines" &
  viewers+=("$!")
}

# drain PID NAME: SIGTERM, and the server must exit with 0.
drain() {
  kill -TERM "$1"
  local code=0
  wait "$1" || code=$?
  ((code == 0)) || die "the $2 server ended with $code: $(cat "$work/$2.log")"
}

# requests NAME: the statistic total_requests of its last event.
requests() { sed -n '$s/.*"total_requests":\([0-9]*\).*/\1/p' "$work/$1.events"; }

say "build"
knul="$(scripts/build_knul.sh)"
viewers=()

say "a certificate for development"
"$knul" cert --out "$work/cert"

say "a server in TypeScript on the adapter, and the perf service"
deno="$(node -e 'import("./tests/interop/setup.mjs").then((m) => console.log(m.deno_executable()))')"
export DENO_DIR="$work/deno" DENO_NO_UPDATE_CHECK=1 NO_COLOR=1
start_program
start_server perf --service perf
perf_pid=$server_pid perf_port=$server_port

say "an independent client, quiche, against the program"
node tests/interop/demo_quiche_client.mjs 127.0.0.1 "$program_port" "$work/cert/cert.pem"

say "another one, Deno's own QUIC, against the program"
"$deno" run --quiet --no-check --unstable-net --allow-all \
  tests/interop/demo_client.ts 127.0.0.1 "$program_port" "$work/cert/cert.pem"

say "our own client: knul perf against the perf service"
"$knul" perf "127.0.0.1:$perf_port" --ca "$work/cert/cert.pem" --duration 3 \
  --download 0 --upload 0 --requests 0 --depth 64 --handshakes 0 --parallel 4

say "SIGTERM: both servers drain"
drain "$program_pid" program
drain "$perf_pid" perf
wait "${viewers[@]}"
(($(requests perf) > 0)) || die "the perf server counted no requests"

say "done: two independent clients and our own; nothing was cut"
