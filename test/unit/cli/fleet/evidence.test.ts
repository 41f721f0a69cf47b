/** What a fleet's evidence becomes, by the real commands: with a real engine, a real hub, and hosts that report to it. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Engine } from '../../../../fleet/engine/engine.ts';
import { openEngine } from '../../../../fleet/engine/open.ts';
import { withHub } from '../../../../fleet/wire/client.ts';
import type { Batch, Window } from '../../../../fleet/wire/message.ts';
import { subjectBytes } from '../../../../fleet/wire/subject-document.ts';
import { hourOfWeek, HOUR_BYTES, weekOf } from '../../../../fleet/wire/week.ts';
import { driftJsonSchema } from '../../../../cli/drift/format/json-schema.ts';
import type { Outcome } from '../fixture.ts';
import { schemaCheck } from '../../json-schema.ts';
import { hoursOf, rowOf } from '../../fleet/fixture/evidence.ts';
import { joinAs, makeTestHub, removeTestHub, TestHub } from '../../fleet/fixture/hub.ts';
import { CURL } from '../../fleet/fixture/made-fleet.ts';
import { writeOperator } from '../../fleet/fixture/operator.ts';
import { postgresMissing, startPostgres, type TestServer } from '../../fleet/fixture/postgres.ts';

const MAIN = join(import.meta.dirname, '../../../../bundle/main.js');
const options = { skip: postgresMissing };
const directory = mkdtempSync(join(tmpdir(), 'bouheki-evidence-'));
const path = (name: string): string => join(directory, name);

/** Microseconds. */
const HOUR = 3_600_000_000;
const NOW = Date.now() * 1000;

let server: TestServer;
let engine: Engine;
let hub: TestHub;

/** `bouheki ...` with the operator's directory, and without any record. */
function bouheki(...words: string[]): Promise<Outcome> {
  const env = { ...process.env, BOUHEKI_CONFIG: '/nonexistent', BOUHEKI_DB: path('no-record') };
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [MAIN, ...words], { env }, (_, stdout, stderr) => {
      resolve({ status: child.exitCode, stdout, stderr });
    });
  });
}

const asked = (...words: string[]) => [...words, '--operator', path('operator')];

/** What a host recorded in the last two days, where it went to these addresses with curl. */
function batchTo(addresses: readonly string[]): Batch {
  const last = NOW - 2 * HOUR;
  const times = { first: last, last, week: weekOf(last), hours: hoursOf(hourOfWeek(last)), count: 5 };
  return {
    subjects: [subjectBytes(CURL)],
    rows: addresses.map((address) =>
      rowOf({ ...times, address: Buffer.from(address.split('.').map(Number)) }),
    ),
    windows: windows(),
    clock: Date.now(),
  };
}

function windows(): Window[] {
  const weeks = new Map<number, Buffer>();
  for (let ago = 1; ago <= 48; ago++) {
    const time = NOW - ago * HOUR;
    const bytes = weeks.get(weekOf(time)) ?? Buffer.alloc(HOUR_BYTES);
    weeks.set(weekOf(time), bytes);
    bytes[hourOfWeek(time) >> 3]! |= 1 << (hourOfWeek(time) & 7);
  }
  return [...weeks].map(([week, recordedHours]) => ({ week, recordedHours, lost: 0, backend: 'lsm' }));
}

const COMMON = ['10.0.0.1', '10.0.0.2'];
const POISON = ['203.0.113.66', '203.0.113.67', '203.0.113.68', '203.0.113.69'];

before(async () => {
  if (postgresMissing) return;
  server = await startPostgres();
  engine = await openEngine([server.url]);
  await engine.setWorkload({ name: 'web', select: { role: 'web' }, order: 100 });
  hub = await TestHub.start(engine, await makeTestHub());
  writeOperator(path('operator'), await hub.operator(), hub.address);
  const token = await hub.token({ role: 'web' });
  for (let at = 0; at < 6; at++) {
    const { tls: own } = await joinAs(token, `web-${at}`);
    const seen = at === 5 ? [...COMMON, ...POISON] : at === 4 ? [COMMON[0]!] : COMMON;
    const receipt = await withHub([hub.address], own, (client) => client.call('Fleet/Report', batchTo(seen)));
    assert.deepEqual(receipt.refused, []);
  }
});
after(async () => {
  rmSync(directory, { recursive: true, force: true });
  if (postgresMissing) return;
  await hub.hub.stop();
  await engine.close();
  await server.remove();
  removeTestHub(hub.directory);
});

test('hosts that have not recorded for as long as is asked do not count', options, async () => {
  const words = ['generate', '--fleet', '--workload', 'web', '-o', path('early.yaml')];
  const made = await bouheki(...asked(...words, '--min-hours', '49'));
  assert.equal(made.status, 2);
  assert.match(made.stderr, /^bouheki: no host of workload web counts$/m);
  assert.match(made.stderr, /^web-0: hours, web-1: hours, /m);
  assert.equal((await bouheki(...asked(...words, '--min-hours', '47'))).status, 0);
});

test('a policy is generated from what hosts showed, and one host gets nothing into it', options, async () => {
  const made = await bouheki(...asked('generate', '--fleet', '--workload', 'web', '-o', path('web.yaml')));
  assert.equal(made.status, 0, made.stderr);
  const text = readFileSync(path('web.yaml'), 'utf8');
  assert.match(text, /^# Fleet: 6 hosts of workload web counted$/m);
  assert.match(text, /# 6 of 6 hosts, 55 events in at least 1 hour, /);
  assert.match(text, /user: \[www-data\]/);
  assert.doesNotMatch(text, /^[^#]*203\.0\.113/m);
  assert.match(text, /^# withheld: .*"of":6,"shown":\[\{"by":\["web-5"\],"events":20,/m);
  assert.match(made.stderr, /Withheld: 4 destinations that fewer than 3 hosts showed/);
  assert.match(made.stderr, /curl user www-data on web-5: 4 destinations/);
  assert.notEqual((await bouheki('check', path('web.yaml'))).status, 2);
});

test('what was withheld is decided on without a record and without a hub', options, async () => {
  const listed = await bouheki('review', path('web.yaml'), '--json');
  assert.equal(listed.status, 1, listed.stderr);
  const { items } = JSON.parse(listed.stdout) as {
    items: { rule: string; destination: string; from: string; reasons: string[] }[];
  };
  const withheld = items.filter(({ reasons }) => reasons.some((each) => each.startsWith('withheld: ')));
  assert.equal(withheld.length, 4);
  const kinds = ['allow', 'where-seen', 'deny', 'ignore'];
  const decisions = withheld.map(({ destination, from, rule }, at) =>
    JSON.stringify({ rule, destination, from, decision: kinds[at] }),
  );
  writeFileSync(path('decisions'), `${decisions.join('\n')}\n`);
  const decided = await bouheki('review', path('web.yaml'), '--decisions', path('decisions'));
  assert.match(decided.stderr, /4 decisions carried out/);
  const text = readFileSync(path('web.yaml'), 'utf8');
  assert.doesNotMatch(text, /# withheld/);
  assert.match(text, /host: \[web-5\]/);
});

test(
  'too much that one host alone did fails, and options that do not go together are refused',
  options,
  async () => {
    const words = asked(
      'generate',
      '--fleet',
      '--workload',
      'web',
      '--max-host-holdout',
      '0.1',
      '-o',
      '/dev/null',
    );
    const failed = await bouheki(...words);
    assert.equal(failed.status, 1);
    assert.match(failed.stderr, /Fault: the host hold-out is 27 %, and at most 10 % is asked for/);
    assert.match((await bouheki('generate', '--fleet')).stderr, /--fleet needs --workload/);
    const mixed = ['generate', '--fleet', '--workload', 'web', '--layout', 'flat'];
    assert.match((await bouheki(...mixed)).stderr, /--fleet does not go with --layout flat/);
    const everybody = ['generate', '--fleet', '--workload', 'web', '--by', 'host'];
    assert.match((await bouheki(...everybody)).stderr, /--fleet does not go with --by host/);
    const unknown = await bouheki(...asked('generate', '--fleet', '--workload', 'none'));
    assert.equal(unknown.status, 2);
  },
);

test('drift names the hosts of each finding, and the host that differs', options, async () => {
  const policy = path('narrow.yaml');
  const rule = '{ from: { exe: [/usr/bin/curl], user: [www-data] }, to: [{ cidr: [10.0.0.0/24] }] }';
  const own = '{ from: { exe: [/usr/bin/curl], host: [web-5] }, to: [{ cidr: [203.0.113.66] }] }';
  writeFileSync(policy, `version: 2\nnetwork:\n  allow:\n    - ${rule}\n    - ${own}\n`);
  const json = await bouheki(...asked('fleet', 'drift', policy, '--json'));
  assert.equal(json.status, 1, json.stderr);
  schemaCheck(driftJsonSchema())(JSON.parse(json.stdout));
  const { findings, outliers } = JSON.parse(json.stdout) as {
    findings: { destination: string; hosts?: object }[];
    outliers: object[];
  };
  assert.deepEqual(
    findings.map(({ destination }) => destination),
    ['tcp 203.0.113.67:443', 'tcp 203.0.113.68:443', 'tcp 203.0.113.69:443'],
  );
  for (const { hosts } of findings) assert.deepEqual(hosts, { shown: 1, of: 6, names: ['web-5'] });
  assert.deepEqual(outliers, [{ host: 'web-5', alone: 4, shown: 6, usual: 0 }]);
  const text = await bouheki(...asked('fleet', 'drift', policy, '--workload', 'web'));
  assert.match(text.stdout, /1 of 6 hosts: web-5/);
  assert.match(text.stdout, /Outlier hosts/);
  const listed = await bouheki(...asked('fleet', 'hosts', '--outliers'));
  assert.match(listed.stdout, /^web-5 +4 +6 +0 %$/m);
  for (const format of ['markdown', 'sarif', 'junit', 'github', 'ndjson']) {
    const { status, stdout } = await bouheki(...asked('fleet', 'drift', policy, '--format', format));
    assert.equal(status, 1, format);
    assert.match(stdout, /203\.0\.113\.67/, format);
  }
});

/** Directories that `fleet query` has made. */
const left = (): string[] => readdirSync(tmpdir()).filter((name) => name.startsWith('bouheki-fleet-'));

const WEEK = ['--week', new Date((NOW - 2 * HOUR) / 1000).toISOString().slice(0, 10)];

test('a week is written with the columns of a record, which import takes back', options, async () => {
  const csv = await bouheki(...asked('fleet', 'export', ...WEEK));
  assert.equal(csv.status, 0, csv.stderr);
  const [header, ...rows] = csv.stdout.trimEnd().split('\n');
  assert.match(header!, /^ts,host,pid,comm,exe,/);
  assert.equal(rows.length, 15);
  assert.equal(rows.filter((row) => row.includes(',203.0.113.66,443,tcp,')).length, 1);
  const ndjson = await bouheki(
    ...asked('fleet', 'export', '--format', 'ndjson', ...WEEK, '--workload', 'web'),
  );
  const first = JSON.parse(ndjson.stdout.split('\n').find((line) => line.includes('"10.0.0.1"'))!) as Record<
    string,
    unknown
  >;
  const { addr, count, exe, host, pid, uid, user_name: user, verdict } = first;
  assert.deepEqual(
    { addr, count, exe, pid, uid, user, verdict },
    {
      addr: '10.0.0.1',
      count: 5,
      exe: CURL.exe,
      pid: null,
      uid: 4_294_967_295,
      user: 'www-data',
      verdict: 'allow',
    },
  );
  assert.match(String(host), /^web-\d$/);
  const none = await bouheki(...asked('fleet', 'export', ...WEEK, '--workload', 'none'));
  assert.equal(none.stdout, `${header}\n`);

  for (const format of ['csv', 'ndjson', 'parquet'] as const) {
    const [file, db] = [path(`week.${format}`), path(`${format}.duckdb`)];
    const written = await bouheki(...asked('fleet', 'export', '--format', format, '-o', file, ...WEEK));
    assert.equal(written.status, 0, written.stderr);
    assert.equal((await bouheki('import', file, '--db', db)).status, 0);
    const sql = `SELECT count(*)::INT AS rows, count(DISTINCT host)::INT AS hosts, sum(count)::INT AS events FROM connections`;
    const counted = await bouheki('query', '--json', '--db', db, sql);
    assert.deepEqual(JSON.parse(counted.stdout), { rows: 15, hosts: 6, events: 75 }, format);
  }
  const terminal = await bouheki(...asked('fleet', 'export', '--format', 'parquet', ...WEEK));
  assert.equal(terminal.status, 2);
  assert.match(terminal.stderr, /cannot be written to standard output/);
});

test('a week is asked in SQL on this machine, and leaves nothing here', options, async () => {
  const before = left();
  const sql =
    'SELECT address, count(DISTINCT host)::INT AS hosts FROM connections GROUP BY ALL ORDER BY hosts DESC, address';
  const answer = await bouheki(...asked('fleet', 'query', '--json', ...WEEK, sql));
  assert.equal(answer.status, 0, answer.stderr);
  const rows = answer.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as object);
  assert.deepEqual(rows.slice(0, 3), [
    { address: '10.0.0.1', hosts: 6 },
    { address: '10.0.0.2', hosts: 5 },
    { address: POISON[0], hosts: 1 },
  ]);
  assert.equal(rows.length, 6);
  const refused = await bouheki(
    ...asked('fleet', 'query', ...WEEK, "SELECT * FROM read_text('/etc/passwd')"),
  );
  assert.equal(refused.status, 2);
  assert.doesNotMatch(refused.stdout, /root/);
  const earlier = await bouheki(...asked('fleet', 'query', '--week', '2020-W53', sql));
  assert.match(earlier.stderr, /^bouheki: no host showed anything in the week from 2020-12-28 on$/m);
  assert.equal(earlier.status, 2);
  const wrong = await bouheki(...asked('fleet', 'query', '--week', '2021-W53', sql));
  assert.match(wrong.stderr, /It must be a week such as 2026-W48/);
  assert.deepEqual(left(), before);
});

test('a host in quarantine is in no k and in no n', options, async () => {
  const [host] = await engine.hostsNamed('web-5');
  await engine.setHostState(host!.id, 'quarantined');
  const { status, stdout } = await bouheki(...asked('generate', '--fleet', '--workload', 'web'));
  assert.equal(status, 0);
  assert.match(stdout, /^# Fleet: 5 hosts of workload web counted, 1 not: web-5 \(quarantined\)$/m);
  assert.match(stdout, /# 5 of 5 hosts, /);
  assert.doesNotMatch(stdout, /203\.0\.113/);
});

test('what a host wrote that is no subject is left out of a week, and counted', options, async () => {
  const token = await hub.token({ role: 'web' });
  const { tls: own } = await joinAs(token, 'liar');
  const subjects = [
    Buffer.from('{"command":7}'),
    subjectBytes({ command: '=1+1,"\n\u001b[2J', exe: '/tmp/a,b' }),
    Buffer.from('{"command":"x","uid":-1}'),
  ];
  const batch = batchTo([COMMON[0]!]);
  const rows = subjects.map((_, subject) => ({ ...batch.rows[0]!, subject }));
  const receipt = await withHub([hub.address], own, (client) =>
    client.call('Fleet/Report', { ...batch, rows, subjects: subjects.slice(0, 2) }),
  );
  assert.deepEqual(
    receipt.refused.map(({ reason }) => reason),
    ['malformed', 'malformed'],
  );
  const { status, stderr, stdout } = await bouheki(...asked('fleet', 'export', ...WEEK));
  assert.equal(status, 0, stderr);
  const lines = stdout.split('\n').filter((line) => line.includes(',liar,'));
  assert.equal(lines.length, 1);
  assert.match(lines[0]!, /,"'=1\+1,""\\u\{a\}\\u\{1b\}\[2J","\/tmp\/a,b",/);
});

test(
  'hosts that reach one name at an address each get a rule by that name, and no drift',
  options,
  async () => {
    const name = 'api.example.com';
    await engine.setWorkload({ name: 'api', select: { role: 'api' }, order: 50 });
    const token = await hub.token({ role: 'api' });
    for (let at = 0; at < 3; at++) {
      const { tls: own } = await joinAs(token, `api-${at}`);
      const batch = batchTo([`93.184.216.${at}`]);
      const called = { names: ['cdn.example.net', name], name, knownBy: 'SELF' as const, age: 60 };
      const rows = batch.rows.map((row) => ({ ...row, ...called }));
      const receipt = await withHub([hub.address], own, (client) =>
        client.call('Fleet/Report', { ...batch, rows }),
      );
      assert.deepEqual(receipt.refused, []);
    }
    const made = await bouheki(...asked('generate', '--fleet', '--workload', 'api', '-o', path('api.yaml')));
    assert.equal(made.status, 0, made.stderr);
    const text = readFileSync(path('api.yaml'), 'utf8');
    assert.match(text, /name: \[api\.example\.com\], .*port: \[443\]/);
    assert.match(text, /# 3 of 3 hosts, 15 events/);
    assert.doesNotMatch(text, /^[^#]*93\.184/m);
    assert.match(text, /^# Names: 15 events by 1 name, 3 addresses seen/m);
    const drift = await bouheki(...asked('fleet', 'drift', path('api.yaml'), '--workload', 'api'));
    assert.equal(drift.status, 0, drift.stdout);
    const apart = ['generate', '--fleet', '--workload', 'api', '--destinations', 'address'];
    const none = await bouheki(...asked(...apart));
    assert.match(none.stderr, /no destination was shown by 3 hosts/);
    const week = await bouheki(
      ...asked('fleet', 'export', '--format', 'ndjson', ...WEEK, '--workload', 'api'),
    );
    assert.match(week.stdout, /"name":"api\.example\.com","names":"api\.example\.com cdn\.example\.net"/);
    assert.match(week.stdout, /"name_known":"self","age":60/);
  },
);
