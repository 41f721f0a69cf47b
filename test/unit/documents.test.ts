import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { TOPICS } from '../../cli/terminal/json-document.ts';
import { printReference } from '../../policy/analysis/reference.ts';
import { parsePolicy } from '../../policy/file/parse.ts';
import { PROGRAM_FOLDERS } from './program-folders.ts';

const ROOT = join(import.meta.dirname, '../../..');
const DOCUMENTS = ['.', 'docs'].flatMap((folder) =>
  readdirSync(join(ROOT, folder))
    .filter((file) => file.endsWith('.md'))
    .map((file) => join(folder, file)),
);

const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

test('every link of a document leads to a file that is there, and to a heading that it has', () => {
  const links = DOCUMENTS.flatMap((document) =>
    [...read(document).matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)/g)].map(([, target, anchor]) => ({
      document,
      anchor,
      file: target === '' ? document : join(dirname(document), target!),
    })),
  );
  const broken = links.filter(
    ({ file, anchor }) =>
      !existsSync(join(ROOT, file)) || (anchor !== undefined && !anchorsOf(file).includes(anchor)),
  );
  assert.ok(links.length > 100);
  assert.ok(links.filter(({ anchor }) => anchor).length > 5);
  assert.deepEqual(broken, []);
});

/** The names under which a Markdown file's headings can be linked. */
function anchorsOf(file: string): string[] {
  return [...read(file).matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-'),
  );
}

test('every document in docs/ is linked by README.md or ARCHITECTURE.md', () => {
  const entrances = read('README.md') + read('ARCHITECTURE.md');
  assert.deepEqual(
    DOCUMENTS.filter((file) => file.startsWith('docs/') && !entrances.includes(`](${file})`)),
    [],
  );
});

test('README.md has at most 900 words, and ARCHITECTURE.md at most 150 lines', () => {
  assert.ok(read('README.md').split(/\s+/).filter(Boolean).length <= 900);
  assert.ok(read('ARCHITECTURE.md').trimEnd().split('\n').length <= 150);
});

test('the first screen of README.md names both commands', () => {
  const screen = read('README.md').split('\n').slice(0, 24).join('\n');
  assert.match(screen, /^ {4}make demo/m);
  assert.match(screen, /^ {4}make test/m);
});

test('no line of a document is longer than 120 columns, but for tables', () => {
  const long = DOCUMENTS.flatMap((document) =>
    read(document)
      .split('\n')
      .map((line, index) => ({ at: `${document}:${index + 1}`, line }))
      .filter(({ line }) => [...line].length > 120 && !line.startsWith('|')),
  );
  assert.deepEqual(long, []);
});

test('no paragraph of a document has more than 80 words', () => {
  const long = DOCUMENTS.flatMap((document) =>
    paragraphsOf(read(document))
      .filter((paragraph) => paragraph.split(/\s+/).length > 80)
      .map((paragraph) => `${document}: ${paragraph.slice(0, 60)}...`),
  );
  assert.deepEqual(long, []);
});

/** Paragraphs and entries of lists, without code, tables and headings. */
function paragraphsOf(markdown: string): string[] {
  return markdown
    .replace(/^```[^]*?^```$/gm, '')
    .replace(/^(?:\||#| {4}).*$/gm, '')
    .split(/\n\s*\n|\n(?=\s*(?:[-*]|\d+\.) )/)
    .map((paragraph) => paragraph.trim())
    .filter((paragraph) => paragraph !== '');
}

test('the committed reference of policies is that of the code (else: npm run build:schema)', () => {
  assert.equal(read('docs/policy.md'), printReference());
});

test('every function, class and member that a document names is in a source', () => {
  const sources = [...PROGRAM_FOLDERS, 'packaging']
    .flatMap((folder) =>
      readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
        .filter((file) => /\.(ts|c|h|yaml)$/.test(file))
        .map((file) => read(join(folder, file))),
    )
    .join('\n');
  const text = DOCUMENTS.filter((file) => file === 'ARCHITECTURE.md' || file.startsWith('docs/'))
    .map(read)
    .join('\n');
  const functions = [...text.matchAll(/`(\w+)\(\)`/g)].map(([, name]) => name!).filter(isOurs);
  const classes = [...text.matchAll(/`([A-Z][a-z]+(?:[A-Z][a-z]+)+)`/g)].map(([, name]) => name!);
  const members = [...text.matchAll(/`([A-Z]\w+)\.(\w+)`/g)].flatMap(([, owner, member]) => [
    owner!,
    member!,
  ]);
  const missing = [...functions, ...classes, ...members].filter(
    (name) => !new RegExp(`\\b${name}\\b`).test(sources),
  );
  assert.ok(functions.length > 30);
  assert.deepEqual(missing, []);
});

/** Whether a function is one of this program, not a system call. */
function isOurs(name: string): boolean {
  return !['connect', 'send', 'sendfile', 'splice', 'poll', 'membarrier', 'prctl'].includes(name);
}

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

/** The commands whose help is in a folder, as the program knows them. */
function commandsIn(folder: string): string[] {
  return readdirSync(join(ROOT, folder))
    .filter((file) => file.endsWith('.ts'))
    .flatMap((file) =>
      [...read(join(folder, file)).matchAll(/new Command\('([\w-]+)'\)/g)].map(([, name]) => name!),
    )
    .filter((name) => name !== 'bouheki' && name !== 'version');
}

test('the README names the commands of the loop, and no other than there are', () => {
  const listed = [...read('README.md').matchAll(/^\| `bouheki ([\w-]+)/gm)].map(([, name]) => name!);
  const rooms = ['cli/control', 'cli/fleet', 'cli/look'];
  const [loop, others] = [commandsIn('cli'), rooms.flatMap(commandsIn)];
  assert.deepEqual(
    loop.filter((name) => !listed.includes(name)),
    [],
  );
  assert.deepEqual(
    listed.filter((name) => !loop.includes(name) && !others.includes(name)),
    [],
  );
});

test('docs/requirements.md has the kernels that make test-kernels runs on, and commands that name files which are there', () => {
  const text = read('docs/requirements.md');
  const kernels = [...text.matchAll(/^\| (\d+\.\d+) \|/gm)].map(([, version]) => version!);
  const [, listed] = /^kernels := (.*)$/m.exec(read('Makefile'))!;
  assert.deepEqual(kernels, listed!.split(' '));
  const runs = [...text.matchAll(/`node dist\/test\/run\.js ([^`]*)`/g)].map(([, args]) => args!.split(' '));
  const files = runs.flatMap((args) =>
    args.flatMap((arg, at) => (args[at - 1] === '--file' ? [`test/${args[0]}/${arg}`] : [])),
  );
  assert.ok(runs.length > 4);
  assert.deepEqual(
    files.filter((file) => !['.test.ts', '.long.test.ts'].some((end) => existsSync(join(ROOT, file + end)))),
    [],
  );
});

test('docs/record.md names each document for programs, and no other', () => {
  const [list] = /`bouheki\.check\/v1`.*?`\./s.exec(read('docs/record.md'))!;
  const named = [...list.matchAll(/`(?:bouheki\.)?([a-z-]+)(?:\/v1)?`/g)].map(([, name]) => name);
  assert.deepEqual(named, [...TOPICS]);
});

test('each policy that a document shows is valid', () => {
  const policies = DOCUMENTS.flatMap((document) =>
    [...read(document).matchAll(/^```ya?ml\n([^]*?)^```$/gm)]
      .map(([, text]) => text!)
      .filter((text) => /^network:/m.test(text))
      .map((text) => ({ document, text })),
  );
  assert.ok(policies.length > 3);
  const faults = policies.flatMap(({ document, text }) =>
    parsePolicy(text, document).problems.filter(({ severity }) => severity === 'error'),
  );
  assert.deepEqual(faults, []);
});
