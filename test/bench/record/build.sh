#!/usr/bin/env bash
# Compiles the C of the recorder's benchmark to dist/test/bench/record/. Needs clang, llvm-strip, libbpf-dev.
set -euo pipefail
cd "$(dirname "$0")/../../.."
mkdir -p dist/test/bench/record
clang -g -O2 -Wall -Werror -target bpf -mcpu=v3 -Ibpf/program -I"/usr/include/$(uname -m)-linux-gnu" \
  -c test/bench/record/flood.bpf.c -o dist/test/bench/record/flood.bpf.o
llvm-strip -g dist/test/bench/record/flood.bpf.o
cc -O2 -Wall -Wextra -Werror -o dist/test/bench/record/connect test/bench/record/connect.c
