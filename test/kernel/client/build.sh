#!/usr/bin/env bash
# Compiles the clients of the kernel tests to dist/test/kernel/client/. Needs gcc and libc6-dev.
set -euo pipefail
cd "$(dirname "$0")/../../.."
mkdir -p dist/test/kernel/client
for client in client flood cgroups sender; do
  gcc -O1 -Wall -Wextra -Werror -static -pthread "test/kernel/client/$client.c" -o "dist/test/kernel/client/$client"
done
