/** What a recorder does not need, it does not load when it starts. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';

const ROOT = join(import.meta.dirname, '../../../..');

/** An import or export from elsewhere that is carried out when its module is loaded: not one of types alone. */
const STATIC = /^(?:import|export) (?!type\b)(?:[^;'"]*? from )?'([^']+)';/gm;

/** The modules that are loaded with one, and the packages that they import. */
function loadedWith(entry: string): { modules: Set<string>; packages: Set<string> } {
  const modules = new Set([join(ROOT, entry)]);
  const packages = new Set<string>();
  // A set goes on to what is added while it is read.
  for (const module of modules) {
    for (const [, name] of readFileSync(module, 'utf8').matchAll(STATIC)) {
      if (name!.startsWith('.')) modules.add(join(dirname(module), name!));
      else packages.add(name!);
    }
  }
  return { modules: new Set([...modules].map((path) => relative(ROOT, path))), packages };
}

for (const command of ['learn', 'enforce']) {
  test(`${command} leaves DuckDB to the process of its store`, () => {
    const { modules, packages } = loadedWith(`cli/run/${command}.ts`);
    assert.ok(modules.has('profiler/store/store-process.ts'), 'what is loaded is followed');
    assert.ok(packages.has('koffi'), 'and so are packages');
    assert.ok(!packages.has('@duckdb/node-api'));
  });
}

test('learn until the record is stable reads the record itself', () => {
  assert.ok(loadedWith('cli/report/stability-end.ts').packages.has('@duckdb/node-api'));
});
