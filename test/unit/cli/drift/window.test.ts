import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { directoryFor, FLOW_HEADER, runCommand } from '../fixture.ts';

const POLICY = `version: 2
network:
  mode: monitor
  allow:
    - name: web
      from: { exe: [/usr/bin/curl] }
      to: [{ cidr: [10.0.0.1/32], port: [443], protocol: [tcp] }]
    - name: backup
      from: { exe: [/usr/bin/rsync] }
      to: [{ cidr: [10.0.7.1/32], port: [873], protocol: [tcp] }]
    - name: mail
      from: { exe: [/usr/bin/msmtp] }
      to: [{ cidr: [10.0.6.1/32], port: [25], protocol: [tcp] }]
`;

const DAY = 24;

/** A row for each hour. */
function rows(program: string, place: string, { count = 1, from = 0, to = 14 * DAY } = {}): string[] {
  return Array.from({ length: to - from }, (_, index) => {
    const hour = new Date(Date.UTC(2026, 10, 1, from + index)).toISOString();
    return `${hour},web1,7,${program},/usr/bin/${program},1000,1000,,,${place},tcp,${count}`;
  });
}

/** Ten days as the policy has them; then rsync is silent, curl has a surge, and the mail server has moved. */
function story(t: TestContext): { db: string; policy: string } {
  const directory = directoryFor(t);
  const [csv, db, policy] = ['flows.csv', 'x.duckdb', 'policy.yaml'].map((name) => join(directory, name));
  const lines = [
    FLOW_HEADER,
    ...rows('curl', '10.0.0.1,443', { to: 10 * DAY }),
    ...rows('curl', '10.0.0.1,443', { from: 10 * DAY, count: 50 }),
    ...rows('rsync', '10.0.7.1,873', { to: 10 * DAY }),
    ...rows('msmtp', '10.0.6.1,25', { to: 10 * DAY }),
    ...rows('msmtp', '192.0.2.9,25', { from: 10 * DAY }),
  ];
  writeFileSync(csv!, `${lines.join('\n')}\n`);
  writeFileSync(policy!, POLICY, { mode: 0o600 });
  const { status, stderr } = runCommand('import', csv!, '--format', 'csv', '--db', db!);
  assert.equal(status, 0, stderr);
  return { db: db!, policy: policy! };
}

test('with --since the window is compared with what was recorded before it', (t) => {
  const { db, policy } = story(t);
  const { status, stderr, stdout } = runCommand('drift', policy, '--db', db, '--since', '2026-11-11');
  assert.equal(status, 1);
  assert.equal(
    stderr,
    'Drift: 1 new, 0 denied, in 4,896 events.\nAmong them: 1 moved.\nAllowed, but worth a look: 1 surge, 1 unused.\n',
  );
  assert.match(
    stdout,
    /^ {2}\/usr\/bin\/msmtp uid 1000 +tcp 192\.0\.2\.9:25 .* was at 10\.0\.6\.1, silent since 2026-11-10 23:00:00Z; near mail \(other destination\)$/m,
  );
  assert.match(
    stdout,
    /^ {2}\/usr\/bin\/curl uid 1000 +most to tcp 10\.0\.0\.1:443 .*4,800 events, where about 95 /m,
  );
  assert.match(
    stdout,
    /^ {2}rule backup +the whole rule .*silent since 2026-11-10 23:00:00Z, for 4d of the record; chance of that: less than 0\.001 %$/m,
  );
  assert.match(stdout, /^ {2}fix: take rule "backup" out$/m);
});

test('the ids of a second report are those of the first, and surges and silence alone end with 0', (t) => {
  const { db, policy } = story(t);
  const idsOf = (...args: string[]): unknown[] => {
    const { stdout } = runCommand('drift', policy, '--db', db, '--json', ...args);
    return (JSON.parse(stdout) as { findings: { id: string; kind: string }[] }).findings.map(({ id }) => id);
  };
  const first = idsOf('--since', '2026-11-11');
  assert.equal(first.length, 3);
  assert.deepEqual(idsOf('--since', '2026-11-11'), first);
  writeFileSync(policy, POLICY.replace('10.0.6.1/32', '10.0.6.1/32, 192.0.2.9/32'), { mode: 0o600 });
  const { status, stderr } = runCommand('drift', policy, '--db', db, '--since', '2026-11-11');
  assert.equal(status, 0, stderr);
  assert.match(stderr, /^Allowed, but worth a look: 1 surge, 2 unused\.$/m);
});
