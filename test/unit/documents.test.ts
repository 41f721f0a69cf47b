import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const ROOT = join(import.meta.dirname, '../../..');
const DOCUMENTS = readdirSync(ROOT).filter((file) => file.endsWith('.md'));
const FOLDERS = ['bpf', 'cli', 'enforcer', 'error', 'generator', 'host', 'policy', 'profiler'];

const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

test('every file that a document links to is there', () => {
  const missing = DOCUMENTS.flatMap((document) =>
    [...read(document).matchAll(/\]\((?!https?:)([^)#]+)/g)]
      .map(([, target]) => target!)
      .filter((target) => !existsSync(join(ROOT, target)))
      .map((target) => `${document}: ${target}`),
  );
  assert.deepEqual(missing, []);
});

test('every function and class that ARCHITECTURE.md names is in a source', () => {
  const sources = FOLDERS.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => /\.(ts|c|h)$/.test(file))
      .map((file) => read(join(folder, file))),
  ).join('\n');
  const text = read('ARCHITECTURE.md');
  const functions = [...text.matchAll(/`(\w+)\(\)`/g)].map(([, name]) => name!);
  const members = [...text.matchAll(/`([A-Z]\w+)\.(\w+)`/g)].flatMap(([, owner, member]) => [
    owner!,
    member!,
  ]);
  const missing = [...functions, ...members].filter((name) => !new RegExp(`\\b${name}\\b`).test(sources));
  assert.ok(functions.length > 20);
  assert.deepEqual(missing, []);
});

test('the README names every command, and no other', () => {
  const listed = [...read('README.md').matchAll(/^\| `bouheki (\w+)/gm)].map(([, name]) => name!);
  const commands = readdirSync(join(ROOT, 'cli'))
    .filter((file) => file.endsWith('.ts'))
    .flatMap((file) =>
      [...read(join('cli', file)).matchAll(/new Command\('(\w+)'\)/g)].map(([, name]) => name!),
    )
    .filter((name) => name !== 'bouheki' && new RegExp(`\\b${name}Command\\(\\),`).test(read('cli/main.ts')));
  assert.deepEqual(listed.toSorted(), commands.toSorted());
});
