#!/usr/bin/env bash
# Compiles what test/kernel/preempted.test.ts runs to dist/test/kernel/preempted/. Needs gcc, clang and libbpf-dev.
set -euo pipefail
cd "$(dirname "$0")/../../.."
out=dist/test/kernel/preempted
mkdir -p "$out"
gcc -std=gnu2x -O1 -g -Wall -Wextra -Werror -D_GNU_SOURCE -static -pthread test/kernel/preempted/attack.c -o "$out/attack"
clang -g -O2 -Wall -Werror -target bpf -mcpu=v2 -D__TARGET_ARCH_x86 -I"/usr/include/$(uname -m)-linux-gnu" \
  -c test/kernel/preempted/slow.bpf.c -o "$out/slow.bpf.o"
