#!/usr/bin/env bash
# Compiles the program of test/kernel/differential.test.ts to dist/test/kernel/differential/prober. Needs gcc and libc6-dev.
set -euo pipefail
cd "$(dirname "$0")/../../.."
mkdir -p dist/test/kernel/differential
gcc -O1 -Wall -Wextra -Werror -static test/kernel/differential/prober.c -o dist/test/kernel/differential/prober
