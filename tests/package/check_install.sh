#!/usr/bin/env bash
# check_install.sh BUILD_FOLDER CMAKE: installs to a temporary prefix, moves the prefix (a package must not
# remember where it was built), then builds and runs consumer/ with find_package and with pkg-config.
set -euo pipefail
build="$1" cmake="$2"
consumer="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/consumer"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

"$cmake" --install "$build" --prefix "$work/first" >"$work/install.log" || {
  cat "$work/install.log"
  exit 1
}
mv "$work/first" "$work/prefix"
if grep -rIl "$build" "$work/prefix"; then
  echo "the files above name the build folder" >&2
  exit 1
fi

echo "== find_package"
"$cmake" -S "$consumer" -B "$work/cmake" -G Ninja -DCMAKE_BUILD_TYPE=Release "-DCMAKE_PREFIX_PATH=$work/prefix"
"$cmake" --build "$work/cmake"
from_c="$("$work/cmake/consumer_c")"
from_cpp="$("$work/cmake/consumer_cpp")"

echo "== pkg-config"
pkg_config_path="$(dirname "$(find "$work/prefix" -name knul.pc)")"
read -ra flags < <(PKG_CONFIG_PATH="$pkg_config_path" pkg-config --cflags --libs knul)
cc -std=c11 -Wall -Wextra -Werror "$consumer/consumer.c" -o "$work/plain" "${flags[@]}"
from_pkg_config="$(LD_LIBRARY_PATH="$(dirname "$pkg_config_path")" "$work/plain")"
wanted="$(PKG_CONFIG_PATH="$pkg_config_path" pkg-config --modversion knul)"

echo "shared: $from_c, static: $from_cpp, pkg-config: $from_pkg_config, knul.pc: $wanted"
[[ $from_c == "$wanted" && $from_cpp == "$wanted" && $from_pkg_config == "$wanted" ]]
