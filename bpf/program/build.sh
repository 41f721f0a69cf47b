#!/usr/bin/env bash
# Compiles the kernel side to dist/bpf/, and prints the size of each object: egress.bpf.o for Linux 5.12 and later,
# egress-legacy.bpf.o for 5.8 to 5.11; egress-fmod.bpf.o and egress-fmod-legacy.bpf.o, the same where bpf is no active
# security module; egress-cgroup.bpf.o for one cgroup; names.bpf.o, which reads DNS beside any of them;
# and guard.bpf.o and guard-fmod.bpf.o, which keep others from undoing what is kept.
# Needs clang, llvm-strip and libbpf-dev.
set -euo pipefail
cd "$(dirname "$0")/../.."
mkdir -p dist/bpf

compile() {
  local source=$1 object=$2
  shift 2
  # v2 is the newest instruction set that every kernel since 5.8 accepts in full. The names of sources are kept in the
  # object: they must be the same wherever this is built.
  clang -g -O2 -Wall -Werror -target bpf -mcpu=v2 -D__TARGET_ARCH_x86 "$@" "-ffile-prefix-map=$PWD=." \
    -I"/usr/include/$(uname -m)-linux-gnu" -c "$source" -o "$object.$$"
  llvm-strip -g "$object.$$"
  mv "$object.$$" "$object"
  printf '%8d %s\n' "$(stat -c %s "$object")" "$object"
}

# Renamed into place: what starts meanwhile finds a whole object.
trap 'rm -f dist/bpf/*.$$' EXIT

compile bpf/program/egress.bpf.c dist/bpf/egress.bpf.o
compile bpf/program/egress.bpf.c dist/bpf/egress-legacy.bpf.o -DLEGACY
compile bpf/program/egress.bpf.c dist/bpf/egress-fmod.bpf.o -DFMOD_RET
compile bpf/program/egress.bpf.c dist/bpf/egress-fmod-legacy.bpf.o -DFMOD_RET -DLEGACY
compile bpf/program/egress-cgroup.bpf.c dist/bpf/egress-cgroup.bpf.o -DLEGACY -DCGROUP_BACKEND
compile bpf/program/names.bpf.c dist/bpf/names.bpf.o -DPACKET_PROGRAMS
compile bpf/program/guard/guard.bpf.c dist/bpf/guard.bpf.o
compile bpf/program/guard/guard.bpf.c dist/bpf/guard-fmod.bpf.o -DFMOD_RET
