import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { MAY_IMPORT } from './room.ts';

const ROOT = join(import.meta.dirname, '../../..');

/** Packages that one room of the program alone may import. */
const OWNERS: Record<string, string | readonly string[]> = {
  koffi: 'bpf/',
  '@duckdb/node-api': 'profiler/',
  yaml: 'policy/file/',
  zod: 'policy/file/',
  pino: 'enforcer/',
  commander: 'cli/',
  tldts: 'cli/run/',
  '@grpc/grpc-js': ['profiler/identity/runtime/', 'fleet/'],
  '@grpc/proto-loader': ['profiler/identity/runtime/', 'fleet/wire/'],
  pg: 'fleet/engine/',
  '@peculiar/x509': 'fleet/identity/',
  'reflect-metadata': 'fleet/identity/',
};

const MOST_LINES = 400;
const MANY_LINES = 300;
const MOST_FILES = 15;

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

const FOLDERS = [...new Set(Object.keys(MAY_IMPORT).map((room) => room.split('/')[0]!))];
const PROGRAM = FOLDERS.flatMap(sourcesOf);

/** The path from the root that a relative import means. */
const targetOf = ({ path }: Source, specifier: string) => join(dirname(path), specifier);

test('each room imports only what it may', () => {
  assert.ok(PROGRAM.flatMap(({ imports }) => imports).length > 200, 'the imports were not found');
  const wrong = PROGRAM.flatMap((source) => {
    const room = dirname(source.path);
    return source.imports
      .filter((specifier) => specifier.startsWith('.'))
      .map((specifier) => targetOf(source, specifier))
      .filter((target) => dirname(target) !== room && !MAY_IMPORT[room]?.includes(dirname(target)))
      .map((target) => `${source.path} imports ${target}`);
  });
  assert.deepEqual(wrong, []);
});

test('rooms import one another in no circle', () => {
  const rooms = Object.keys(MAY_IMPORT);
  const done = new Set<string>();
  // A room is done when all that it imports is; in a circle none ever is.
  for (let before = -1; before < done.size;) {
    before = done.size;
    for (const room of rooms) if (MAY_IMPORT[room]!.every((other) => done.has(other))) done.add(room);
  }
  assert.deepEqual(
    rooms.filter((room) => !done.has(room)),
    [],
  );
});

test('what a room may import, it does import', () => {
  const unused = Object.entries(MAY_IMPORT).flatMap(([room, others]) => {
    const imported = new Set(
      PROGRAM.filter(({ path }) => dirname(path) === room).flatMap((source) =>
        source.imports.map((specifier) => dirname(targetOf(source, specifier))),
      ),
    );
    return others.filter((other) => !imported.has(other)).map((other) => `${room}: ${other}`);
  });
  assert.deepEqual(unused, []);
});

test('no room has more files than one can keep in mind', () => {
  const count = new Map<string, number>();
  for (const folder of FOLDERS) {
    for (const path of readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })) {
      const full = join(folder, path);
      if (statSync(join(ROOT, full)).isFile()) count.set(dirname(full), (count.get(dirname(full)) ?? 0) + 1);
    }
  }
  assert.deepEqual(
    [...count].filter(([, files]) => files > MOST_FILES),
    [],
  );
});

/** The package that an import takes a file of. */
const packageOf = (specifier: string) => /^(?:@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? specifier;

test('each package is imported by its owner alone, and is installed or part of the bundle', () => {
  const wrong = PROGRAM.flatMap(({ path, imports }) =>
    imports
      .filter((specifier) => !/^(\.|node:)/.test(specifier))
      .filter((name) => ![OWNERS[packageOf(name)] ?? '\0'].flat().some((owner) => path.startsWith(owner)))
      .map((name) => `${path} imports ${name}`),
  );
  assert.deepEqual(wrong, []);
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
    devDependencies: Record<string, string>;
  };
  const [, outside = ''] = /external: \[(.*)\]/.exec(readFileSync(join(ROOT, 'bundle.js'), 'utf8')) ?? [];
  assert.deepEqual(
    Object.keys(dependencies).toSorted(),
    Array.from(outside.matchAll(/'([^']+)'/g), ([, name]) => name).toSorted(),
  );
  const bundled = Object.keys(OWNERS).filter((name) => dependencies[name] === undefined);
  assert.deepEqual(
    bundled.filter((name) => devDependencies[name] === undefined),
    [],
  );
});

test('only the command line writes to the standard streams, and only it and the daemon end the process', () => {
  const outputs = /\bconsole\.|process\.(?:stdout|stderr)/;
  const endings = /process\.(?:exit\b|exitCode|abort)/;
  const wrong = PROGRAM.filter(({ path }) => !path.startsWith('cli/')).filter(
    ({ path, text }) => outputs.test(text) || (!path.startsWith('daemon/') && endings.test(text)),
  );
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
  const lasting = PROGRAM.filter(
    ({ path, imports }) => dirname(path) === 'cli/run' && imports.includes('../../daemon/session.ts'),
  );
  for (const { path } of lasting) visit(path);
  const wrong = PROGRAM.filter(({ path, text }) => reached.has(path) && /process\.std(out|err)/.test(text));
  assert.deepEqual(
    wrong.map(({ path }) => path),
    [],
  );
  assert.equal(lasting.length, 2);
  assert.ok([...reached].some((path) => dirname(path) === 'output'));
});

/** IDNA is a function of its text alone. */
function isEffectful(name: string): boolean {
  return name.startsWith('node:') && name !== 'node:url';
}

test('the pure folders touch no file, process or clock', () => {
  const effects = /\b(?:Date\.now|performance\.now|Math\.random|process\.env)\b|new Date\(\)/;
  const wrong = PROGRAM.filter(({ path }) => /^(policy|generator)\//.test(path))
    .filter(({ text, imports }) => effects.test(text) || imports.some(isEffectful))
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
