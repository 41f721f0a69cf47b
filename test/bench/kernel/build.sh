#!/usr/bin/env bash
# Compiles what the kernel bench runs to dist/test/bench/kernel/. Needs gcc, clang and libbpf-dev.
set -euo pipefail
cd "$(dirname "$0")/../../.."
out=dist/test/bench/kernel
mkdir -p "$out"
gcc -O2 -Wall -Werror -static -o "$out/calls" test/bench/kernel/calls.c

compile() {
  clang -g -O2 -Wall -Werror -target bpf -mcpu=v2 -D__TARGET_ARCH_x86 -I"/usr/include/$(uname -m)-linux-gnu" \
    -c test/bench/kernel/empty.bpf.c "$@"
}
compile -o "$out/empty-lsm.bpf.o"
compile -DFMOD_RET -o "$out/empty-fmod_ret.bpf.o"
