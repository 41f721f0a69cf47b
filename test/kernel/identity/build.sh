#!/usr/bin/env bash
# Compiles the program of test/kernel/identity.test.ts to dist/test/kernel/identity/attempt. Needs gcc and libc6-dev.
set -euo pipefail
cd "$(dirname "$0")/../../.."
mkdir -p dist/test/kernel/identity
# Static: it has to start where there is no library. Not position-independent: it maps over itself.
gcc -std=gnu2x -O1 -Wall -Wextra -Werror -D_GNU_SOURCE -static -no-pie -pthread test/kernel/identity/*.c \
  -o dist/test/kernel/identity/attempt
