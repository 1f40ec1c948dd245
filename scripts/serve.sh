#!/usr/bin/env bash
# Builds and runs an echo server in the foreground until Ctrl-C, which drains it. Further flags go to
# `knul serve`: scripts/serve.sh --service perf --port 4434
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
knul="$(scripts/build_knul.sh)"
certificate="$PWD/build/serve"

# Made anew before the 30 days of its validity end.
if [[ -z "$(find "$certificate/cert.pem" -mtime -29 2>/dev/null)" ]]; then
  "$knul" cert --out "$certificate" --force
fi

cat <<TEXT

An echo server on 127.0.0.1:4433 (ALPN "knul"): what is sent on a stream or as a datagram comes back.
Ctrl-C drains it. Talk to it from another terminal, with Deno's own QUIC:

  deno=\$(node -e 'import("./tests/interop/setup.mjs").then((m) => console.log(m.deno_executable()))')
  \$deno run --unstable-net --allow-all tests/interop/demo_client.ts 127.0.0.1 4433 build/serve/cert.pem

or run another service, scripts/serve.sh --service perf, and measure it:

  build/knul/cli/knul perf localhost:4433 --ca build/serve/cert.pem --download 1G

TEXT
exec "$knul" serve --host 127.0.0.1 --port 4433 --service echo \
  --cert "$certificate/cert.pem" --key "$certificate/key.pem" "$@"
