import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { HOUR, START } from '../profiler/fixture.ts';
import { POLICY } from './drift/fixture.ts';
import { directoryFor, type Outcome, record, runCommand } from './fixture.ts';

/** Three allowed connections of curl, a new one to a port by a name, and a denied one. */
const EVENTS = [
  {},
  { time: START + HOUR },
  { time: START + 2 * HOUR },
  { port: 8443, time: START + 3 * HOUR, names: ['api.example', 'cdn.example'], known: 1 },
  { low: 0xa9fea9fen, port: 80, verdict: 1, time: START + 4 * HOUR + 1_250_000 },
];

async function explainOn(t: TestContext): Promise<(...args: string[]) => Outcome> {
  const directory = directoryFor(t);
  const policy = join(directory, 'policy.yaml');
  writeFileSync(policy, POLICY, { mode: 0o600 });
  const db = await record(directory, EVENTS, { command: 'enforce', mode: 'block' });
  return (...args) => {
    const { stdout, ...rest } = runCommand('explain', policy, '--db', db, ...args);
    return { ...rest, stdout: stdout.replaceAll(directory, '') };
  };
}

const ALLOWED = `/usr/bin/curl uid 1000: tcp 10.0.0.1:443
  3 events from 2026-11-21 00:00:00Z to 2026-11-21 02:00:00Z, allowed then
  allow: allow rule "web" matches (/policy.yaml:10:12)
`;
const NEW = `/usr/bin/curl uid 1000: tcp api.example:8443 (10.0.0.1)
  1 event at 2026-11-21 03:00:00Z, allowed then
  deny: no allow rule matches
  nearest: "web" (/policy.yaml:10:12), but not its port
  fix: add 8443 to port of rule "web"
`;
const DENIED = `/usr/bin/curl uid 1000: tcp 169.254.169.254:80
  1 event at 2026-11-21 04:00:01Z, denied then
  deny: deny rule "no metadata" matches, and a deny always wins (/policy.yaml:6:12)
  fix: take 169.254.169.254 or its subject out of deny rule "no metadata"
`;
const WEB = '"web" (/policy.yaml:10:12)';
const METADATA = 'deny rule "no metadata" (/policy.yaml:6:12)';

function about(rules: string, ...blocks: string[]): string {
  return `rules that speak of it: ${rules}\n\n${blocks.join('\n')}`;
}

test('a rule, an address, a name, a subject and a time each have what the record has of them', async (t) => {
  const explain = await explainOn(t);
  const asked = (...args: string[]) => {
    const { status, stderr, stdout } = explain(...args);
    assert.equal(stderr, '');
    return [status, stdout];
  };
  assert.deepEqual(asked('--rule', 'web'), [0, about(WEB, ALLOWED)]);
  assert.deepEqual(asked('--rule', 'no metadata'), [1, about(METADATA, DENIED)]);
  assert.deepEqual(asked('--address', '10.0.0.0/24'), [1, about(WEB, NEW, ALLOWED)]);
  assert.deepEqual(asked('--name', 'cdn.example'), [1, about('none', NEW)]);
  assert.deepEqual(asked('--subject', '/usr/bin/curl uid 1000', '--address', '169.254.169.254'), [
    1,
    about(METADATA, DENIED),
  ]);
  assert.deepEqual(asked('--exe', '/usr/bin/curl', '--uid', '1000'), [1, about(WEB, NEW, DENIED, ALLOWED)]);
  for (const at of ['2026-11-21T04:00:01Z', '2026-11-21T04:00', '2026-11-21T04:00:01.250Z'])
    assert.deepEqual(asked('--at', at), [1, about(WEB, DENIED)]);
});

test('raw rows are the latest of each, as an export has them, with the rule that decided then', async (t) => {
  const explain = await explainOn(t);
  const { stdout } = explain('--rule', 'web', '--rows', '2');
  const rows = [...stdout.matchAll(/^ {2}row: (.*)$/gm)].map(([, json]) => JSON.parse(json!));
  assert.deepEqual(
    rows.map(({ addr, comm, port, ts, verdict }) => [ts, comm, addr, port, verdict]),
    [
      ['2026-11-21T02:00:00.000000Z', 'curl', '10.0.0.1', 443, 'allow'],
      ['2026-11-21T01:00:00.000000Z', 'curl', '10.0.0.1', 443, 'allow'],
    ],
  );
  const json = JSON.parse(explain('--name', 'api.example', '--rows', '9', '--json').stdout);
  assert.equal(json.schema, 'bouheki.explain-record/v1');
  const [found] = json.found;
  assert.deepEqual(
    [json.events, found.verdict, found.nearest.rule, found.rows.length, found.rows[0].name],
    [1, 'deny', 'web', 1, 'api.example'],
  );
});

test('what was never seen is told so, with the rules that speak of it', async (t) => {
  const explain = await explainOn(t);
  const unseen = explain('--address', '169.254.169.254', '--exe', '/usr/bin/wget');
  assert.deepEqual(unseen, {
    status: 0,
    stdout: `rules that speak of it: ${METADATA}\n`,
    stderr: 'Nothing in the record matches.\n',
  });
  assert.match(explain('--rule', 'wob').stderr, /^usage: the policy has no rule wob$/m);
  assert.match(explain().stderr, /^usage: nothing is named that could be explained$/m);
  assert.match(
    explain('--to', '10.0.0.1:443', '--rule', 'web').stderr,
    /^usage: --rule is about the record/m,
  );
  assert.equal(explain('--address', 'example.com').status, 2);
});

test('the first are printed, and the others counted', async (t) => {
  const { stdout } = (await explainOn(t))('--uid', '1000', '--limit', '1');
  assert.match(stdout, /^And 2 more, of 4 events: --limit 0 shows all\.$/m);
});
