#!/usr/bin/env bash
# Compiles the client of the kernel tests to dist/test/kernel/client/client. Needs gcc and libc6-dev.
set -euo pipefail
cd "$(dirname "$0")/../../.."
mkdir -p dist/test/kernel/client
gcc -O1 -Wall -Wextra -Werror -static -pthread test/kernel/client/client.c -o dist/test/kernel/client/client
