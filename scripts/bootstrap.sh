#!/usr/bin/env bash
# Installs what scripts/packages.txt and the lock files of tests/interop and tests/page name, and nothing that
# is there already: a second run asks neither the package system's servers nor for a password.
# Debian 12 and 13, as root or with sudo. KNUL_BOOTSTRAP=skip leaves the system as it is.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

say() { printf 'bootstrap: %s\n' "$*"; }
die() {
  printf 'bootstrap: error: %s\n' "$*" >&2
  exit 1
}

as_root() {
  if [[ $EUID -eq 0 ]]; then
    "$@"
  else
    command -v sudo >/dev/null || die "run as root or install sudo; packages are missing: ${missing[*]}"
    sudo "$@"
  fi
}

# Waits for another apt that holds a lock; no questions, no packages that are only recommended.
apt_get() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 \
    -o Dpkg::Use-Pty=0 "$@"
}

update_lists() {
  local attempt
  for attempt in 1 2 3 4 5 6; do
    apt_get update -q && return
    say "apt-get update failed (try $attempt of 6)"
    sleep 10 # the lists' lock has no timeout of its own
  done
  die "apt-get update keeps failing; look at the messages above"
}

installed_version() {
  local state
  # shellcheck disable=SC2016  # dpkg's own format fields
  state="$(dpkg-query -W -f '${db:Status-Status} ${Version}\n' "$1" 2>/dev/null || true)"
  awk '$1 == "installed" { print $2; exit }' <<<"$state"
}

# Fills `missing` with the entries of packages.txt that this system does not satisfy.
find_missing() {
  missing=()
  local entry name minimum have
  while read -r entry; do
    if [[ $entry == *" unless "* ]]; then
      command -v "${entry##* unless }" >/dev/null && continue
      entry="${entry%% unless *}"
    fi
    if [[ $entry == *" on "* ]]; then
      [[ $(dpkg --print-architecture) == "${entry##* on }" ]] || continue
      entry="${entry%% on *}"
    fi
    name="${entry%%>=*}"
    have="$(installed_version "$name")"
    [[ -n $have ]] || { missing+=("$entry") && continue; }
    if [[ $entry == *">="* ]]; then
      minimum="${entry##*>=}"
      dpkg --compare-versions "$have" ge "$minimum" || missing+=("$entry")
    fi
  done < <(sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$root/scripts/packages.txt")
}

# The newest version on offer of $1 that is at least $2; nothing where there is none.
offered_version() {
  local version
  while read -r version; do
    if dpkg --compare-versions "$version" ge "$2"; then
      echo "$version"
      return
    fi
  done < <(apt-cache madison "$1" | awk -F '|' '{ gsub(/ /, "", $2); print $2 }')
}

# Adds backports of the running release from the mirror, and with the key, that the system already uses.
add_backports() {
  local codename mirror keyring
  # shellcheck disable=SC1091
  codename="$(. /etc/os-release && echo "${VERSION_CODENAME:-}")"
  [[ $codename == bookworm ]] || die "$1 is not offered here; Debian 12 (backports) and Debian 13 have it"
  # shellcheck disable=SC2016  # apt's own format fields
  mirror="$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' |
    awk -v release="$codename" '$2 == release { print $1; exit }')"
  [[ -n $mirror ]] || die "no apt source of $codename found to take the backports mirror from"
  keyring="$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources} 2>/dev/null |
    grep -io 'signed-by[:=][[:space:]]*/[^] ]*debian[^] ]*' | grep -o '/.*' | head -n 1 || true)"
  keyring="${keyring:-/usr/share/keyrings/debian-archive-keyring.gpg}"
  [[ -r $keyring ]] || die "the archive key $keyring is missing (package debian-archive-keyring)"
  say "adding $codename-backports, for $1"
  printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n' \
    "$mirror" "$codename-backports" "$keyring" |
    as_root tee /etc/apt/sources.list.d/knul-backports.sources >/dev/null
  update_lists
}

# The tests run Debian's programs, not its service; the mask keeps the service from starting, now and at a boot.
# Where Prometheus is installed already, nothing changes.
mask_prometheus() {
  local unit=/etc/systemd/system/prometheus.service
  if [[ " $* " == *" prometheus "* && ! -e $unit && ! -L $unit ]]; then
    as_root mkdir -p "${unit%/*}"
    as_root ln -s /dev/null "$unit"
    say "prometheus.service is masked; for a service of your own: systemctl unmask prometheus"
  fi
}

install_missing() {
  local entry name minimum version packages=()
  for entry in "${missing[@]}"; do
    name="${entry%%>=*}"
    if [[ $entry != *">="* ]]; then
      packages+=("$name")
      continue
    fi
    minimum="${entry##*>=}"
    version="$(offered_version "$name" "$minimum")"
    if [[ -z $version ]]; then
      add_backports "$entry"
      version="$(offered_version "$name" "$minimum")"
    fi
    [[ -n $version ]] || die "$entry is in no apt source of this system"
    packages+=("$name=$version")
  done
  mask_prometheus "${packages[@]}"
  apt_get install -q -y --no-install-recommends "${packages[@]}"
}

install_packages() {
  find_missing
  if ((${#missing[@]} == 0)); then
    return
  fi
  say "to install: ${missing[*]}"
  update_lists
  install_missing
  find_missing
  ((${#missing[@]} == 0)) || die "still missing after the installation: ${missing[*]}"
}

# The npm packages of a folder, at the versions of its lock file. A stamp tells that they are already there.
install_npm_packages() {
  local folder="$root/$1" stamp lock_sum
  if [[ ! -d $folder ]]; then
    say "$1 is absent; its npm packages are not installed"
    return
  fi
  [[ -f $folder/package-lock.json ]] || die "$1/package-lock.json is missing"
  stamp="$folder/node_modules/.knul-bootstrap"
  lock_sum="$(sha256sum "$folder/package-lock.json" | cut -d ' ' -f 1) $(node --version)"
  if [[ -f $stamp && $(<"$stamp") == "$lock_sum" ]]; then
    return
  fi
  say "npm packages of $1"
  # The packages need no scripts of their own: their binaries are used where they lie.
  (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) ||
    die "npm ci failed in $1"
  echo "$lock_sum" >"$stamp"
}

main() {
  if [[ ${KNUL_BOOTSTRAP:-} == skip ]]; then
    return
  fi
  command -v dpkg-query >/dev/null ||
    die "this is no Debian system: install what scripts/packages.txt names, then set KNUL_BOOTSTRAP=skip"
  install_packages
  install_npm_packages tests/interop
  install_npm_packages tests/page
}

main
