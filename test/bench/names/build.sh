#!/usr/bin/env bash
# Compiles what the bench of names runs to dist/test/bench/names/: the calls, and the kernel side as it would be without
# rules by name. Needs gcc, clang and libbpf-dev.
set -euo pipefail
cd "$(dirname "$0")/../../.."
out=dist/test/bench/names
mkdir -p "$out"
gcc -O2 -Wall -Werror -static -o "$out/calls" test/bench/names/calls.c
bash test/bench/load/build.sh

# Whether the box that decides asks for a name is looked at in one place, and what it says in another.
without=$(mktemp -d)
trap 'rm -rf "$without"' EXIT
cp -r bpf/program/. "$without"
sed -i 's/if (boxes & -boxes & tables->nameless.word\[i\])$/if (1)/; s/return decided >> 30 == 1;/return false;/' \
  "$without/decide.bpf.h"
[ "$(diff bpf/program/decide.bpf.h "$without/decide.bpf.h" | grep -c '^>')" = 2 ]
clang -g -O2 -Wall -Werror -target bpf -mcpu=v2 -D__TARGET_ARCH_x86 -I"/usr/include/$(uname -m)-linux-gnu" \
  -c "$without/egress.bpf.c" -o "$out/egress-without-names.bpf.o"
llvm-strip -g "$out/egress-without-names.bpf.o"
