#!/usr/bin/env bash
# Compiles the program of test/kernel/egress.test.ts to dist/test/kernel/egress/egress. Needs gcc and libc6-dev.
set -euo pipefail
cd "$(dirname "$0")/../../.."
mkdir -p dist/test/kernel/egress
# Static: the guest's programs are this machine's, its kernel is not, and nothing is to be looked up at start. Not
# position-independent, so that variables have addresses that 32-bit system calls can be given.
gcc -std=gnu2x -O1 -g -Wall -Wextra -Wno-missing-field-initializers -Werror -D_GNU_SOURCE -static -no-pie -pthread test/kernel/egress/*.c \
  -o dist/test/kernel/egress/egress
