import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

const ROOT = join(import.meta.dirname, '../../../../..');
const COMPILER = join(ROOT, 'node_modules/.bin/tsc');

/** Places outside policy/ that work on every dimension. */
const KERNEL_SIDE = ['enforcer/compile.ts'];
const EVERYWHERE = [
  ...KERNEL_SIDE,
  'cli/explain.ts',
  'cli/explain/connection.ts',
  'generator/rule/rule-name.ts',
  'generator/subject/flow.ts',
  'generator/subject/order.ts',
];
/** What these import, directly or not. */
const FOLDERS = 'bpf cli daemon enforcer error format generator host output policy profiler'.split(' ');

interface Edit {
  file: string;
  /** Must be in the file. */
  before: string;
  after: string;
}

/** A dimension more in `from`, as an author would begin with it. */
const PARENT: Edit[] = [
  {
    file: 'policy/meaning/policy.ts',
    before: '  cgroup?: string[];\n',
    after: '  cgroup?: string[];\n  parent?: string[];\n',
  },
  {
    file: 'policy/meaning/policy.ts',
    before: '  cgroup?: string;\n',
    after: '  cgroup?: string;\n  parent?: string;\n',
  },
  {
    file: 'policy/file/schema.ts',
    before: '    unit: some(',
    after: "    parent: some(text, 'Names of parents.'),\n    unit: some(",
  },
];

/** In the record, without the SQL that reads it. */
const RECORDED: Edit = {
  file: 'profiler/read/observation.ts',
  before: '  cgroup?: string;\n',
  after: '  cgroup?: string;\n  parent?: string;\n',
};

function inTable(kind: string): Edit {
  const line = `  parent: { kind: '${kind}', known: false, role: 'claim', about: 'its parent' },\n`;
  return {
    file: 'policy/meaning/dimension.ts',
    before: "  uid: { kind: 'user' },\n",
    after: `  uid: { kind: 'user' },\n${line}`,
  };
}

interface Variant {
  edits: Edit[];
  /** What is compiled beside policy/. */
  places: string[];
  wrong: string[];
}

/** What is changed in a copy of the program, and the files in which the compiler finds errors then. */
const VARIANTS: Record<string, Variant> = {
  // A dimension of subjects that is not in the table. What walks over the table and asks for no facts cannot miss one.
  absent: {
    edits: PARENT,
    places: EVERYWHERE,
    wrong: [
      'cli/explain.ts',
      'cli/explain/connection.ts',
      'cli/explain/selection.ts',
      'cli/option/fleet-host.ts',
      'enforcer/subject.ts',
      'generator/rule/rule-name.ts',
      'generator/subject/flow.ts',
      'generator/subject/order.ts',
      'generator/subject/subject.ts',
      'policy/analysis/explain.ts',
      'policy/analysis/lint.ts',
      'policy/analysis/mode-lint.ts',
      'policy/analysis/subsume.ts',
      'policy/analysis/universe.ts',
      'policy/file/entry.ts',
      'policy/file/version2.ts',
      'policy/meaning/box-index.ts',
      'policy/meaning/dimension.ts',
      'policy/meaning/evaluate.ts',
    ],
  },
  // One that is compared in a way of its own.
  kind: {
    edits: [
      ...PARENT,
      RECORDED,
      inTable('reversed'),
      {
        file: 'policy/meaning/dimension.ts',
        before: "export type TextKind = 'command'",
        after: "export type TextKind = 'reversed' | 'command'",
      },
    ],
    places: EVERYWHERE,
    wrong: [
      'cli/explain.ts',
      'cli/option/fleet-host.ts',
      'enforcer/subject.ts',
      'policy/file/entry.ts',
      'policy/meaning/dimension.ts',
      'policy/meaning/evaluate.ts',
      'profiler/read/observation-sql.ts',
    ],
  },
  // One that is compared like others, but which no file can name and the kernel side does not know.
  unwritten: {
    edits: [...PARENT.slice(0, 2), inTable('name')],
    places: KERNEL_SIDE,
    wrong: ['enforcer/subject.ts', 'policy/file/schema.ts', 'policy/file/version2.ts'],
  },
  // A dimension of destinations.
  labels: {
    edits: [
      {
        file: 'policy/meaning/policy.ts',
        before: '  ports?: PortRange[];\n',
        after: '  ports?: PortRange[];\n  labels?: string[];\n',
      },
      {
        file: 'policy/meaning/dimension.ts',
        before: "  ports: 'port',\n",
        after: "  ports: 'port',\n  labels: 'label',\n",
      },
    ],
    places: KERNEL_SIDE,
    wrong: [
      'enforcer/compile.ts',
      'policy/analysis/change.ts',
      'policy/analysis/explain.ts',
      'policy/analysis/subsume.ts',
      'policy/analysis/universe.ts',
      'policy/file/document.ts',
      'policy/file/print.ts',
      'policy/file/schema.ts',
      'policy/file/version2.ts',
      'policy/meaning/box-index.ts',
      'policy/meaning/evaluate.ts',
      'policy/meaning/evaluator.ts',
    ],
  },
};

/** The files with errors, by variant. */
function compileVariants(directory: string): Map<string, string[]> {
  symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
  cpSync(join(ROOT, 'package.json'), join(directory, 'package.json'));
  for (const [name, { edits }] of Object.entries(VARIANTS)) {
    for (const folder of FOLDERS) {
      cpSync(join(ROOT, folder), join(directory, name, folder), { recursive: true });
    }
    for (const { after, before, file } of edits) {
      const path = join(directory, name, file);
      const text = readFileSync(path, 'utf8');
      assert.ok(text.includes(before), `${file} has no ${before}`);
      writeFileSync(path, text.replace(before, after));
    }
  }
  const names = Object.keys(VARIANTS);
  const settings = {
    extends: join(ROOT, 'tsconfig.json'),
    compilerOptions: { noEmit: true, rootDir: '.', sourceMap: false },
    files: Object.entries(VARIANTS).flatMap(([name, { places }]) =>
      places.map((place) => `${name}/${place}`),
    ),
    include: names.map((name) => `${name}/policy`),
  };
  writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify(settings));
  const { stdout } = spawnSync(COMPILER, ['-p', '.', '--pretty', 'false'], {
    cwd: directory,
    encoding: 'utf8',
  });
  // An error that names no file is about the settings: a place that is there no more.
  assert.doesNotMatch(stdout, /^error/m);
  const wrong = new Map(names.map((name) => [name, new Set<string>()]));
  for (const [, name, file] of stdout.matchAll(/^([a-z]+)\/([^(\n]+)\(\d+,\d+\): error/gm)) {
    wrong.get(name!)!.add(file!);
  }
  return new Map([...wrong].map(([name, files]) => [name, [...files].sort()]));
}

test('a dimension of a policy that some place does not handle does not compile', (t) => {
  if (!existsSync(COMPILER)) {
    t.skip(`there is no TypeScript compiler at ${COMPILER}`);
    return;
  }
  const directory = mkdtempSync(join(tmpdir(), 'bouheki-test-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const found = compileVariants(directory);
  for (const [name, { wrong }] of Object.entries(VARIANTS)) assert.deepEqual(found.get(name), wrong, name);
});
