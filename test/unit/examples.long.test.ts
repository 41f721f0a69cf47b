/** What the documents show at a prompt works as it stands there, where it needs neither root nor a terminal. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { directoryFor, FLOW_ROWS, record } from './cli/fixture.ts';

const ROOT = join(import.meta.dirname, '../../..');
const BOUHEKI = join(ROOT, 'dist/bundle/main.js');

/** What needs no root: the record and policies are read. */
const WITHOUT_ROOT = new Set([
  'check',
  'diff',
  'drift',
  'explain',
  'export',
  'export-policy',
  'generate',
  'import',
  'query',
  'report',
  'schema',
  'simulate',
  'status',
]);

/** Why some of these are left out. */
const LEFT_OUT: [pattern: RegExp, why: string][] = [
  [/--watch/, 'goes on until it is ended'],
  [/--fleet/, 'asks a hub: test/unit/cli/fleet/evidence'],
  [/--accept moved,0a1b2c3d4e5f/, 'an id of the reader’s own record'],
];

const POLICY = `version: 2
network:
  mode: block
  allow:
    - { name: root, from: { user: [root] }, to: [{ cidr: [10.0.0.0/24], port: [443], protocol: [tcp] }] }
`;

/** Each line of a document that calls bouheki, without what it is piped to. */
function examples(): { document: string; line: string }[] {
  const documents = ['README.md', ...readdirSync(join(ROOT, 'docs')).map((file) => `docs/${file}`)];
  return documents
    .filter((document) => document.endsWith('.md'))
    .flatMap((document) =>
      codeOf(readFileSync(join(ROOT, document), 'utf8'))
        .map((line) => /^\s*(?:\$ )?(?:sudo )?(bouheki [a-z-]+ ?.*)$/.exec(line)?.[1])
        .filter((line) => line !== undefined)
        .map((line) => ({ document, line: line.split(/ \| | && | +#| &$/)[0]!.trim() })),
    );
}

/** The lines of blocks of code. */
function codeOf(markdown: string): string[] {
  let fenced = false;
  return markdown.split('\n').filter((line) => {
    if (line.startsWith('```')) fenced = !fenced;
    return fenced || line.startsWith('    ');
  });
}

const wanted = examples().filter(({ line }) => WITHOUT_ROOT.has(line.split(' ')[1]!));
const shown = new Map(wanted.map(({ document, line }) => [line, document]));

for (const [line, document] of shown) {
  const why = LEFT_OUT.find(([pattern]) => pattern.test(line))?.[1];
  test(`${document}: ${line}`, { skip: why ?? false }, async (t) => {
    const place = directoryFor(t);
    const db = await record(place, [{}, {}, { uid: 1 }]);
    mkdirSync(join(place, 'bin'));
    symlinkSync(BOUHEKI, join(place, 'bin/bouheki'));
    for (const file of ['policy.yaml', 'next.yaml', 'root.yaml', 'before.yaml', 'after.yaml'])
      writeFileSync(join(place, file), POLICY, { mode: 0o600 });
    writeFileSync(join(place, 'flows.csv'), FLOW_ROWS);
    // Where a policy is on a host; here it is in the folder.
    const command = line.replaceAll('/etc/bouheki/', '').replaceAll('…', '');
    const { status, stderr, stdout } = spawnSync('bash', ['-c', command], {
      cwd: place,
      encoding: 'utf8',
      env: { ...process.env, BOUHEKI_DB: db, PATH: `${join(place, 'bin')}:${process.env['PATH']}` },
    });
    assert.ok(status === 0 || status === 1, `${status}\n${stdout}${stderr}`);
  });
}

test('the documents show commands that need no root', () => {
  assert.ok(shown.size > 10, [...shown.keys()].join('\n'));
});
