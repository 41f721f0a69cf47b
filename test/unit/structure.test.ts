import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';

const ROOT = join(import.meta.dirname, '../../..');

/** The folders of the program, and what each may import of the others. ARCHITECTURE.md says why. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  error: [],
  host: ['error'],
  output: ['host', 'error'],
  // How a name is printed, and nothing that can fail.
  policy: ['error/visible.ts'],
  bpf: ['host', 'error'],
  // How addresses and protocols are written, but no policy: what is recorded must not depend on what is allowed.
  profiler: ['bpf', 'host', 'error', 'policy/address.ts', 'policy/cidr.ts', 'policy/protocol.ts'],
  generator: ['policy', 'error', ...readingHalf()],
  enforcer: ['bpf', 'policy', 'host', 'output', 'error'],
  cli: ['enforcer', 'generator', 'profiler', 'policy', 'bpf', 'host', 'output', 'error'],
};

/** What reads the record: the only files of another folder beside it that the generator may use. */
function readingHalf(): string[] {
  return ['profiler/read.ts', 'profiler/observation.ts'];
}

/** Packages that one part of the program alone may import. */
const OWNERS: Record<string, string> = {
  koffi: 'bpf/libbpf.ts',
  '@duckdb/node-api': 'profiler/',
  yaml: 'policy/',
  zod: 'policy/',
  pino: 'enforcer/verdict-log.ts',
  commander: 'cli/',
  '@grpc/grpc-js': 'profiler/runtime/grpc.ts',
  '@grpc/proto-loader': 'profiler/runtime/grpc.ts',
};

const MOST_LINES = 400;
const MANY_LINES = 300;

interface Source {
  path: string;
  text: string;
  imports: string[];
}

const IMPORT = /^(?:import|export)\s(?:[^;'=]*?\bfrom\s+)?'([^']+)';|\bimport\('([^']+)'\)/gm;

function sourcesOf(folder: string): Source[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => {
      const path = join(folder, file);
      const text = readFileSync(join(ROOT, path), 'utf8');
      const imports = [...text.matchAll(IMPORT)].map(([, fixed, dynamic]) => (fixed ?? dynamic)!);
      return { path, text, imports };
    });
}

const PROGRAM = Object.keys(MAY_IMPORT).flatMap(sourcesOf);

/** The path from the root that a relative import means. */
const targetOf = ({ path }: Source, specifier: string) => join(dirname(path), specifier);

test('imports between folders run one way', () => {
  assert.ok(PROGRAM.flatMap(({ imports }) => imports).length > 200, 'the imports were not found');
  const wrong = PROGRAM.flatMap((source) => {
    const folder = source.path.split('/')[0]!;
    return source.imports
      .filter((specifier) => specifier.startsWith('.'))
      .map((specifier) => targetOf(source, specifier))
      .filter((target) => !target.startsWith(`${folder}/`))
      .filter(
        (target) =>
          !MAY_IMPORT[folder]!.some((allowed) => target === allowed || target.startsWith(`${allowed}/`)),
      )
      .map((target) => `${source.path} imports ${target}`);
  });
  assert.deepEqual(wrong, []);
});

test('each package is imported by its owner alone, and every dependency has an owner', () => {
  const wrong = PROGRAM.flatMap(({ path, imports }) =>
    imports
      .filter((specifier) => !/^(\.|node:)/.test(specifier))
      .filter((name) => !path.startsWith(OWNERS[name] ?? '\0'))
      .map((name) => `${path} imports ${name}`),
  );
  assert.deepEqual(wrong, []);
  const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  assert.deepEqual(Object.keys(dependencies).toSorted(), Object.keys(OWNERS).toSorted());
});

test('only the command line writes to the standard streams, sets the exit status and ends the process', () => {
  const outputs = /\bconsole\.|process\.(?:stdout|stderr|exit\b|exitCode|abort)/;
  const wrong = PROGRAM.filter(({ path, text }) => !path.startsWith('cli/') && outputs.test(text));
  assert.deepEqual(
    wrong.map(({ path }) => path),
    [],
  );
});

test('what runs for long writes to no stream of Node, which waits for readers', () => {
  const reached = new Set<string>();
  const visit = (path: string): void => {
    if (reached.has(path)) return;
    reached.add(path);
    const source = PROGRAM.find((each) => each.path === path);
    for (const name of source?.imports ?? []) if (name.startsWith('.')) visit(targetOf(source!, name));
  };
  for (const command of ['cli/learn.ts', 'cli/enforce.ts']) visit(command);
  const wrong = PROGRAM.filter(({ path, text }) => reached.has(path) && /process\.std(out|err)/.test(text));
  // Where a policy is read, `enforce` hands in what warnings go to.
  assert.deepEqual(
    wrong.map(({ path }) => path),
    ['cli/policy-file.ts'],
  );
  assert.ok(reached.has('output/outlet.ts'));
});

test('the pure folders touch no file, process or clock', () => {
  const effects = /\b(?:Date\.now|performance\.now|Math\.random|process\.env)\b|new Date\(\)/;
  const wrong = PROGRAM.filter(({ path }) => /^(policy|generator)\//.test(path))
    .filter(({ text, imports }) => effects.test(text) || imports.some((name) => name.startsWith('node:')))
    .map(({ path }) => path);
  assert.deepEqual(wrong, []);
});

test('no file imports itself in a circle of other files', () => {
  const graph = new Map(
    PROGRAM.map((source) => [
      source.path,
      valueImports(source)
        .filter((specifier) => specifier.startsWith('.'))
        .map((specifier) => targetOf(source, specifier)),
    ]),
  );
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): string[] => {
    if (trail.includes(path)) return [[...trail.slice(trail.indexOf(path)), path].join(' -> ')];
    if (done.has(path)) return [];
    const circles = (graph.get(path) ?? []).flatMap((next) => visit(next, [...trail, path]));
    done.add(path);
    return circles;
  };
  assert.deepEqual(
    [...graph.keys()].flatMap((path) => visit(path, [])),
    [],
  );
});

/** Imports that are there when the program runs: types are not. */
function valueImports({ text }: Source): string[] {
  return [...text.matchAll(IMPORT)]
    .filter(([statement]) => !/^(?:import|export)\s+type\b/.test(statement))
    .map(([, fixed, dynamic]) => (fixed ?? dynamic)!);
}

test('no file is too long to read at once', (t: TestContext) => {
  const all = [...PROGRAM, ...sourcesOf('test')].map(({ path, text }) => ({
    path,
    lines: text.split('\n').length - 1,
  }));
  for (const { path, lines } of all) if (lines > MANY_LINES) t.diagnostic(`${path} has ${lines} lines`);
  assert.deepEqual(
    all.filter(({ lines }) => lines > MOST_LINES),
    [],
  );
});

test('no file is named after nothing in particular', () => {
  const wrong = PROGRAM.filter(({ path }) => /(^|[/-])(utils?|helpers?|common|misc|manager)\b/.test(path));
  assert.deepEqual(
    wrong.map(({ path }) => path),
    [],
  );
});
