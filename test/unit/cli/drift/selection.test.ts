import assert from 'node:assert/strict';
import { chmodSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { directoryFor, FLOW_HEADER, type Outcome, runCommand } from '../fixture.ts';
import { POLICY } from './fixture.ts';

interface World {
  /** Imports connections of curl, as day and place. */
  see: (...rows: [day: string, place: string][]) => void;
  drift: (...args: string[]) => Outcome;
  ids: (...args: string[]) => string[];
  file: (name: string, text: string) => string;
}

function world(t: TestContext): World {
  const directory = directoryFor(t);
  const path = (name: string): string => join(directory, name);
  const file = (name: string, text: string): string => {
    writeFileSync(path(name), text, { mode: 0o600 });
    return path(name);
  };
  const policy = file('policy.yaml', POLICY);
  const drift = (...args: string[]): Outcome =>
    runCommand('drift', policy, '--db', path('x.duckdb'), ...args);
  return {
    see: (...rows) => {
      const lines = rows.map(([day, place]) => `${day},web1,7,curl,/usr/bin/curl,1000,1000,,,${place},tcp,1`);
      const csv = file('flows.csv', `${[FLOW_HEADER, ...lines].join('\n')}\n`);
      const { status, stderr } = runCommand('import', csv, '--format', 'csv', '--db', path('x.duckdb'));
      assert.equal(status, 0, stderr);
    },
    drift,
    ids: (...args) => {
      const { findings } = JSON.parse(drift('--json', ...args).stdout) as { findings: { id: string }[] };
      return findings.map(({ id }) => id);
    },
    file,
  };
}

test('what is acknowledged is left out until its day, and told with its reason', (t) => {
  const { drift, file, ids, see } = world(t);
  see(['2026-11-20T10:00:00Z', '10.0.0.2,443'], ['2026-11-20T11:00:00Z', '10.0.9.3,22']);
  const [one, other] = ids() as [string, string];
  const known = file('known.txt', `# ours\n${one} 2999-01-31 the scanner # of security\n`);
  const { status, stderr, stdout } = drift('--ignore', known);
  assert.equal(status, 1);
  assert.equal(stderr, 'Drift: 1 new, 0 denied, in 2 events.\nAcknowledged: 1 finding.\n');
  assert(stdout.includes(other) && !stdout.includes(one), stdout);
  const { acknowledged, new: fresh } = JSON.parse(drift('--ignore', known, '--json').stdout) as {
    acknowledged: { id: string; reason: string; end: string }[];
    new: object[];
  };
  assert.equal(fresh.length, 1);
  assert.deepEqual(
    acknowledged.map(({ end, id, reason }) => [id, reason, end]),
    [[one, 'the scanner', '2999-01-31T00:00:00.000Z']],
  );
  const both = file('both.txt', `${one} 2999-01-31 x\n${other} 2999-01-31 y\n`);
  const clean = drift('--ignore', both);
  assert.deepEqual(
    [clean.status, clean.stdout, clean.stderr],
    [0, '', 'Nothing else, in 2 events.\nAcknowledged: 2 findings.\n'],
  );
  const expired = drift('--ignore', file('old.txt', `${one} 2020-01-31 x\n`));
  assert.match(
    expired.stderr,
    /^Drift: 2 new, .*\nNo longer acknowledged: 1 finding, whose day has come\.$/m,
  );
});

test('a file of acknowledgements that is wrong, or that others can write, is refused with its line', (t) => {
  const { drift, file, see } = world(t);
  see(['2026-11-20T10:00:00Z', '10.0.0.2,443']);
  for (const [line, said] of [
    ['nonsense 2027-01-31 x', 'nonsense is no id of a finding'],
    ['0123456789ab', 'nothing is no day until which it is acknowledged'],
    ['0123456789ab soon x', 'soon is no day until which it is acknowledged'],
    ['0123456789ab 24h x', '24h is no day until which it is acknowledged'],
    ['0123456789ab 2027-02-30 x', '2027-02-30 is no day until which it is acknowledged'],
    ['0123456789ab 2027-01-31', 'the reason is missing'],
    ['0123456789ab 2027-01-31 # why', 'the reason is missing'],
  ] as const) {
    const path = file('wrong.txt', `# first\n${line}\n`);
    const { status, stderr } = drift('--ignore', path);
    assert.deepEqual([status, stderr], [2, `usage: ${path}:2: ${said}\n`], line);
  }
  const open = file('open.txt', '');
  chmodSync(open, 0o666);
  assert.match(drift('--ignore', open).stderr, /^untrusted: /);
});

test('--since last reports what was not reported yet, for each policy by itself', (t) => {
  const { drift, see } = world(t);
  see(['2026-11-20T10:00:00Z', '10.0.0.2,443']);
  const first = drift('--since', 'last');
  assert.deepEqual([first.status, first.stderr], [1, 'Drift: 1 new, 0 denied, in 1 event.\n']);
  const second = drift('--since', 'last');
  assert.deepEqual([second.status, second.stdout], [0, '']);
  assert.equal(second.stderr, 'No drift to see: nothing was recorded in this window.\n');
  see(['2026-11-21T10:00:00Z', '10.0.0.2,443'], ['2026-11-21T10:00:00Z', '10.0.0.1,443']);
  const known = drift('--since', 'last');
  assert.deepEqual(
    [known.status, known.stdout, known.stderr],
    [0, '', 'Nothing else, in 2 events.\nReported before: 1 finding.\n'],
  );
  see(['2026-11-22T10:00:00Z', '10.9.0.2,22'], ['2026-11-22T10:00:00Z', '10.0.0.2,443']);
  const fresh = drift('--since', 'last');
  assert.equal(fresh.status, 1);
  assert.equal(fresh.stderr, 'Drift: 1 new, 0 denied, in 2 events.\nReported before: 1 finding.\n');
  assert.match(fresh.stdout, / tcp 10\.9\.0\.2:22 /);
  assert.match(drift().stderr, /^Drift: 2 new, 0 denied, in 5 events\.$/m, 'a report of all is one of all');
});

test('what is remembered is a file of ours beside the record, and one that is broken is told', (t) => {
  const { drift, file, see } = world(t);
  see(['2026-11-20T10:00:00Z', '10.0.0.2,443']);
  drift('--since', 'last');
  const path = file('flows.csv', '').replace('flows.csv', 'x.duckdb.drift.json');
  assert.equal(statSync(path).mode & 0o022, 0);
  file('x.duckdb.drift.json', '{');
  const { status, stderr } = drift('--since', 'last');
  assert.equal(status, 2);
  assert.match(stderr, /^usage: cannot read what was reported last: .*x\.duckdb\.drift\.json$/m);
});

test('--fail-on takes the kinds that end with 1', (t) => {
  const { drift, see } = world(t);
  see(['2026-11-20T10:00:00Z', '10.0.0.2,443'], ['2026-11-20T10:00:00Z', '10.0.9.2,443']);
  const statuses = ['new', 'denied', 'denied,new', 'unused'].map((kinds) => drift('--fail-on', kinds).status);
  assert.deepEqual(statuses, [1, 0, 1, 0]);
  assert.match(drift('--fail-on', 'all').stderr, /identity-changed/);
});
