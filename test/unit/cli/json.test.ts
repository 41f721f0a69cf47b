import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { HOUR, START } from '../profiler/fixture.ts';
import { directoryFor, record } from './fixture.ts';

const MAIN = join(import.meta.dirname, '../../../bundle/main.js');

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** Other words for what has a name already; those of the log and of exports stay there. */
const SYNONYMS = new Set([
  'addr',
  'comm',
  'ts',
  'proto',
  'executable',
  'digest',
  'hash',
  'when',
  'time',
  'at',
]);

/** What is of the same kind wherever it stands. */
const SAME = [
  'subject',
  'address',
  'file',
  'policy',
  'reason',
  'count',
  'verdict',
  'state',
  'policyHash',
  'rule',
  'command',
  'destination',
  'mode',
];

/** Every member of a document, with the name that it has. */
function* membersOf(value: unknown, name = ''): Generator<[string, unknown]> {
  yield [name, value];
  if (typeof value !== 'object' || value === null) return;
  for (const [key, member] of Object.entries(value)) {
    yield* membersOf(member, Array.isArray(value) ? name : key);
  }
}

/** Each document that a command prints, by its topic. */
async function commandsFor(t: TestContext): Promise<[topic: string, args: string[]][]> {
  const directory = directoryFor(t);
  const hours = Array.from({ length: 10 }, (_, hour) => ({ time: START + hour * HOUR }));
  const late = { time: START + 9 * HOUR, port: 22 };
  const db = await record(directory, [...hours, late, { ...late, port: 25, verdict: 1 }]);
  const policy = join(directory, 'policy.yaml');
  const other = join(directory, 'other.yaml');
  const generated = spawnSync(process.execPath, [MAIN, 'generate', '--db', db, '-o', policy]);
  assert.equal(generated.status, 0, String(generated.stderr));
  const allow = 'version: 2\nnetwork:\n  allow:\n    - { to: [{ cidr: [10.9.0.0/16] }] }\n';
  writeFileSync(other, allow, { mode: 0o600 });
  return [
    ['check', ['check', policy]],
    ['diff', ['diff', policy, other]],
    ['explain', ['explain', policy, '--to', '10.0.0.9:443/tcp', '--exe', '/usr/bin/curl']],
    ['explain', ['explain', other, '--to', '10.9.0.1:443/tcp']],
    ['explain-record', ['explain', other, '--exe', '/usr/bin/curl', '--db', db]],
    ['drift', ['drift', other, '--db', db]],
    ['generate', ['generate', '--db', db]],
    ['curve', ['generate', '--curve', '--db', db]],
    ['risks', ['generate', '--summary', '--db', db]],
    ['merge', ['generate', '--base', other, '--db', db]],
    ['review', ['review', policy, '--db', db]],
    ['status', ['status', '--db', db]],
    ['doctor', ['doctor', '--cgroup', '/sys/fs/cgroup/none']],
  ];
}

test('every document of --json has its schema, times in ISO 8601, and one name for one thing', async (t) => {
  const kinds = new Map<string, Set<string>>();
  for (const [topic, args] of await commandsFor(t)) {
    const { status, stderr, stdout } = spawnSync(process.execPath, [MAIN, ...args, '--json'], {
      encoding: 'utf8',
    });
    assert.notEqual(status, 2, stderr);
    const document = JSON.parse(stdout) as { schema: string };
    assert.equal(document.schema, `bouheki.${topic}/v1`);
    for (const [name, value] of membersOf(document)) {
      const what = `${topic}: ${name}: ${JSON.stringify(value)}`;
      assert(!(typeof value === 'number' && value > 1e14), `microseconds in ${what}`);
      if (/^(?:first|last|start|end|\w+At)$/.test(name)) assert.match(String(value), ISO, what);
      assert(!SYNONYMS.has(name), what);
      kinds.set(name, (kinds.get(name) ?? new Set()).add(typeof value));
    }
  }
  const several = SAME.filter((name) => (kinds.get(name)?.size ?? 0) > 1);
  assert.deepEqual(several, []);
});
