#!/usr/bin/env bash
# Builds the knul command and libknul.so alone, in the release configuration without link-time optimisation,
# and prints the command's path on standard output; everything else goes to standard error.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
{
  scripts/bootstrap.sh
  mkdir -p build
  cmake --preset release -B build/knul -DKNUL_LTO=OFF >build/knul.configure.log ||
    {
      cat build/knul.configure.log
      exit 1
    }
  cmake --build build/knul --target knul knul_shared --parallel "$(nproc)"
} >&2
echo "$PWD/build/knul/cli/knul"
