#!/usr/bin/env bash
# Compiles what the bench of loading runs to dist/test/bench/load/. Needs gcc and libbpf-dev.
set -euo pipefail
cd "$(dirname "$0")/../../.."
out=dist/test/bench/load
mkdir -p "$out"
gcc -O2 -Wall -Werror test/bench/load/verify.c -lbpf -o "$out/verify"
