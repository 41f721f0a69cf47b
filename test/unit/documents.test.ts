import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';

const ROOT = join(import.meta.dirname, '../../..');
const DOCUMENTS = ['.', 'docs'].flatMap((folder) =>
  readdirSync(join(ROOT, folder))
    .filter((file) => file.endsWith('.md'))
    .map((file) => join(folder, file)),
);
const FOLDERS = ['bpf', 'cli', 'enforcer', 'error', 'generator', 'host', 'policy', 'profiler'];

const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

test('every file that a document links to is there', () => {
  const missing = DOCUMENTS.flatMap((document) =>
    [...read(document).matchAll(/\]\((?!https?:)([^)#]+)/g)]
      .map(([, target]) => target!)
      .filter((target) => !existsSync(join(ROOT, dirname(document), target)))
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

test('every line of the threat model names a test that is there', () => {
  const lines = read('docs/threat-model.md')
    .split('\n')
    .filter((line) => /^\| (?!.*\| tested by \|$)/.test(line));
  const untrue = lines.filter((line) => {
    const named = [...line.matchAll(/\[(test\/\S+\.test\.ts)\]\(\.\.\/\1\) "([^|]+)" /g)];
    return named.length === 0 || !named.every(([, file, title]) => hasTest(file!, title!));
  });
  assert.ok(lines.length > 30);
  assert.deepEqual(untrue, []);
});

/** Whether a file has a test of this title, as it is written there. */
function hasTest(file: string, title: string): boolean {
  if (!existsSync(join(ROOT, file))) return false;
  const source = read(file);
  return ["'", '"', '`'].some((quote) =>
    new RegExp(`\\btest\\(\\s*${escaped(quote + title + quote)}`).test(source),
  );
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

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
