#!/usr/bin/env bash
# Builds the release preset, gets the peers and measures them beside the server in the same run (bench/peers.py): a
# table for each, and build/bench-peers.json. The peers are ngtcp2's own server and Deno's built-in QUIC.
#   scripts/bench_peers.sh            everything
#   RUNS=9 scripts/bench_peers.sh     more runs of each figure (default 5)
# Other arguments go to bench/peers.py, such as --quick or --only ngtcp2.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/bootstrap.sh
cmake --preset bench
cmake --build --preset bench --parallel "$(nproc)"

folder="$PWD/build/peers"

version_on_offer() { # of $1, the newest in any source; pinned to the installed $2 when that is given
  if [[ -n ${2:-} ]]; then
    dpkg-query -W -f '${Version}' "$2"
  else
    apt-cache madison "$1" | awk -F '|' '{ gsub(/ /, "", $2); print $2; exit }'
  fi
}

fetch() { # every package of the list, into the current folder
  local entry name
  while read -r entry; do
    name="${entry%%=*}"
    apt-get -o APT::Sandbox::User=root download -q "$name=$(version_on_offer "$name" "$([[ $entry == *=* ]] && echo "${entry##*=}")")" || return 1
  done < <(sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$1")
}

unpack_peers() {
  local list="$PWD/scripts/peer_packages.txt" package
  [[ $folder/.unpacked -nt $list ]] && return
  rm -rf "$folder" && mkdir -p "$folder/packages" "$folder/lib"
  if ! (cd "$folder/packages" && fetch "$list"); then
    echo 'bench-peers: not on offer here; a fresh "apt-get update" may help' >&2
    return 1
  fi
  for package in "$folder"/packages/*.deb; do
    dpkg -x "$package" "$folder/root"
  done
  find "$folder/root" -name '*.so.*' -exec cp -P {} "$folder/lib" \;
  cp "$folder/root/usr/sbin/gtlsserver" "$folder/gtlsserver"
  touch "$folder/.unpacked"
}

unpack_peers || echo "bench-peers: goes on without ngtcp2's server" >&2
exec python3 bench/peers.py --runs "${RUNS:-5}" --bin build/release "$@"
