import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

interface Lockfile {
  packages: Record<string, { optionalDependencies?: Record<string, string>; resolved?: string }>;
}

const text = readFileSync(join(import.meta.dirname, '../../../package-lock.json'), 'utf8');
const { packages } = JSON.parse(text) as Lockfile;

// `npm install` forgets those that the registry at hand does not have, and `npm ci` then refuses the file everywhere.
test('the lock file has an entry for every optional package, whatever the platform', () => {
  const names = Object.values(packages).flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}));
  assert.deepEqual(
    names.filter((name) => !(`node_modules/${name}` in packages)),
    [],
  );
});

test('the lock file names no registry', () => {
  assert.deepEqual(
    Object.entries(packages).filter(([, entry]) => entry.resolved !== undefined),
    [],
  );
});
