#!/bin/bash
# Compiles TypeScript to dist/ in such a way that what runs from there goes on running: an installed `bouheki`, a daemon
# that imports a file or forks one when it needs it. Everything is compiled to a folder of its own first, so sources that
# do not compile change nothing. Then each file is renamed into its place, which no reader can see half done. Compiled
# files without a source are removed; what other scripts have made in dist/ (kernel objects, test programs) stays.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# One build at a time: two would remove each other's folder.
exec {lock}<tsconfig.json
flock "$lock"
rm -rf .dist.*
# Beside dist/, not in it: source maps name the sources by relative paths.
new=$(mktemp -d .dist.XXXXXX)
trap 'rm -rf "$new"' EXIT

node_modules/.bin/tsc -p tsconfig.json --outDir "$new"
cp -r profiler/identity/runtime/proto "$new/profiler/identity/runtime/"
cp fleet/wire/fleet.proto "$new/fleet/wire/"
node bundle.js "$new/bundle"
node bundle.js "$new/test-bundle" --of-tests
chmod +x "$new/bundle/main.js"

# What this script makes, by its names.
compiled() {
    find "$1" -type f \( -name '*.js' -o -name '*.js.map' -o -name '*.proto' \) -printf '%P\n' | sort
}

mkdir -p dist
compiled dist >"$new/.before"
compiled "$new" >"$new/.after"
find "$new" -type d -printf '%P\n' | while read -r folder; do
    mkdir -p "dist/$folder"
    files=$(find "$new/$folder" -maxdepth 1 -type f -not -name '.*')
    [ -z "$files" ] || xargs -d '\n' mv -t "dist/$folder" <<<"$files"
done
comm -23 "$new/.before" "$new/.after" | while read -r stale; do
    # A program that runs may still import its part of a former bundle.
    case $stale in bundle/*) [ -z "$(find "dist/$stale" -mtime -1)" ] || continue ;; esac
    rm -f "dist/$stale"
    rmdir -p --ignore-fail-on-non-empty "$(dirname "dist/$stale")"
done
