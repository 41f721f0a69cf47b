import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { gzipSync } from 'node:zlib';
import { openReader, type RecordedObservation } from '../../../profiler/read/read.ts';
import { directoryFor, FLOW_HEADER as HEADER, FLOW_ROWS as ROWS, record, runCommand } from './fixture.ts';

async function observed(db: string): Promise<RecordedObservation[]> {
  const reader = await openReader(db);
  try {
    return await reader.observations();
  } finally {
    reader.close();
  }
}

test('an imported file is a record to generate from, one recording a host', async (t) => {
  const directory = directoryFor(t);
  const file = join(directory, 'flows.csv');
  const db = join(directory, 'bouheki.duckdb');
  writeFileSync(file, ROWS);
  const { status, stderr, stdout } = runCommand('import', file, '--format', 'csv', '--db', db);
  assert.deepEqual([status, stdout], [0, ''], stderr);
  assert.equal(
    stderr,
    'Imported 3 rows, which stand for 8 connections, as recordings 1 to 2; 0 bad rows left out.\n',
  );
  const [curl, odd] = await observed(db);
  assert.deepEqual(
    [curl!.subject.exe, curl!.count, curl!.first, curl!.last, curl!.hours],
    [
      '/usr/bin/curl',
      6,
      Date.UTC(2026, 10, 20, 10) * 1000,
      Date.UTC(2026, 10, 20, 10, 30) * 1000 + 250_000,
      1,
    ],
  );
  assert.deepEqual(
    [odd!.subject.command, odd!.subject.container, odd!.subject.image, odd!.address, odd!.protocol],
    ['odd, "name"', 'proxy', 'nginx:1', 0x2001_0db8_0000_0000_0000_0000_0000_0001n, 17],
  );
  const policy = runCommand('generate', '--db', db).stdout;
  assert.match(policy, /from: \{ exe: \[\/usr\/bin\/curl\], uid: \[1000\] \}/);
  assert.match(policy, /"2001:db8::1"/);
});

test('standard input, gzip, CRLF, a byte order mark and columns in any order are read', async (t) => {
  const directory = directoryFor(t);
  const db = join(directory, 'bouheki.duckdb');
  const text =
    '\uFEFFaddr,port,protocol,uid,gid,comm,ts\r\n10.0.0.1,80,tcp,1,1,sh,2026-11-20 10:00:00\r\n\r\n';
  const main = join(import.meta.dirname, '../../../bundle/main.js');
  for (const input of [text.trimEnd(), gzipSync(text)]) {
    const { status, stderr } = spawnSync(
      process.execPath,
      // The same rows: the second time they are asked for.
      [main, 'import', '-', '--format', 'csv', '--db', db, '--again'],
      { input, encoding: 'utf8' },
    );
    assert.equal(status, 0, stderr);
  }
  assert.equal((await observed(db))[0]!.count, 2);
});

test('a bad row is named by line and column and nothing is imported; --skip-bad leaves it out and counts it', async (t) => {
  const directory = directoryFor(t);
  const file = join(directory, 'flows.csv');
  const good = '2026-11-20T10:00:00Z,web1,1,sh,"/bin/sh",1,1,,,10.0.0.1,443,tcp,1';
  const cases: [string, string][] = [
    [good.replace('10.0.0.1', '10.0.0.256'), '3:48: addr: "10.0.0.256" is no IP address'],
    [good.replace('443', '65536'), '3:57: port: "65536" is no number from 0 to 65535'],
    [good.replace('443', '-1'), '3:57: port: "-1" is no number from 0 to 65535'],
    [good.replace('2026-11-20', '2026-02-30'), '3:1: ts: "2026-02-30T10:00:00Z" is no time'],
    [good.replace(',tcp', ',smtp'), '3:61: protocol: "smtp" is no protocol'],
    [good.replace(/1$/, '0'), '3:65: count: 0 connections are no observation'],
    [good.replace(',1,1,', ',,1,'), '3:42: uid: "" is no number'],
    ['a,b', '3:3: 2 fields, but the first row names 13 columns'],
    [good.replace('"/bin/sh"', '"/bin/sh"x'), '3:1: text follows a closing quote'],
    [good.replace('"/bin/sh"', '"/bin/sh'), '3:1: a quote is not closed'],
  ];
  for (const [index, [bad, message]] of cases.entries()) {
    const db = join(directory, `${index}.duckdb`);
    writeFileSync(file, `${HEADER}\n${good}\n${bad}\n${good}\n`);
    const refused = runCommand('import', file, '--format', 'csv', '--db', db);
    assert.equal(refused.status, 2);
    assert.ok(refused.stderr.startsWith(`usage: ${file}:${message}`), `${refused.stderr} ${message}`);
    assert.equal(existsSync(db), false);
    const skipped = runCommand('import', file, '--format', 'csv', '--skip-bad', '--db', db);
    assert.equal(skipped.status, 0, skipped.stderr);
    assert.match(skipped.stderr, /Imported 2 rows.*1 bad rows left out/);
    assert.equal((await observed(db))[0]!.count, 2);
  }
});

test('a row is a connection or the opening of a socket, not both', (t) => {
  const directory = directoryFor(t);
  const file = join(directory, 'flows.csv');
  const rows: [string, string][] = [
    ['10.0.0.1,443,tcp,connect,raw', '2:46: socket: "raw" belongs to the operation open alone'],
    ['10.0.0.1,,icmp,open,raw', '2:21: addr: the operation open has no destination'],
    [',443,icmp,open,raw', '2:22: port: the operation open has no destination'],
    [',,icmp,open,', '2:33: socket: "" is none of raw, packet, other, source-route'],
    [',,65536,open,packet', '2:23: protocol: "65536" is nothing that a packet socket can be opened with'],
  ];
  for (const [row, message] of rows) {
    writeFileSync(file, `ts,comm,uid,gid,addr,port,protocol,operation,socket\n1795168800,ping,0,0,${row}\n`);
    const { status, stderr } = runCommand('import', file, '--format', 'csv', '--db', join(directory, 'db'));
    assert.equal(status, 2);
    assert.ok(stderr.startsWith(`usage: ${file}:${message}`), `${stderr} ${message}`);
  }
});

test('a first row that names no columns, or too few, is refused, and so is a file that is not there', (t) => {
  const directory = directoryFor(t);
  const file = join(directory, 'flows.csv');
  const db = join(directory, 'bouheki.duckdb');
  for (const [text, message] of [
    ['ts,comm,uid,gid,addr,port\n', /:1:1: the column "protocol" is missing/],
    [`${HEADER},port\n`, /:1:71: "port" is named twice/],
    [`${HEADER},colour\n`, /^no-data: .* has no rows/],
    ['ts,ts\n', /:1:4: "ts" is named twice/],
    [`${HEADER}\n`, /^no-data: .* has no rows/],
    ['', /^no-data: .* has no rows/],
  ] as const) {
    writeFileSync(file, text);
    const { status, stderr } = runCommand('import', file, '--format', 'csv', '--db', db);
    assert.equal(status, 2);
    assert.match(stderr, message);
  }
  const absent = join(directory, 'absent.csv');
  const other = join(directory, 'other.duckdb');
  assert.match(runCommand('import', absent, '--format', 'csv', '--db', other).stderr, /^usage: cannot read/);
  assert.ok(!existsSync(other), 'no database is made for it');
});

test('ids that a file does not give are the real ones, and names are of users and groups, not of rows', async (t) => {
  const directory = directoryFor(t);
  const file = join(directory, 'flows.csv');
  const db = join(directory, 'bouheki.duckdb');
  const place = '10.0.0.1,443,tcp';
  writeFileSync(
    file,
    `ts,host,comm,uid,euid,fsuid,gid,egid,user_name,euser_name,group_name,container,addr,port,protocol
1795168800,web1,a,1000,,,100,,ada,,users,,${place}
1795168800,web1,b,1000,0,,100,7,,root,,,${place}
1795168800,web1,c,33,33,0,33,33,nginx,,,web,${place}
`,
  );
  assert.equal(runCommand('import', file, '--format', 'csv', '--db', db).status, 0);
  const reader = await openReader(db);
  const { rows } = await reader.query(
    'SELECT command, uid, euid, fsuid, gid, egid, fsgid, user_name, euser_name, group_name FROM connections ORDER BY 1',
  );
  const accounts = await reader.accounts();
  reader.close();
  assert.deepEqual(rows, [
    ['a', 1000, 1000, 1000, 100, 100, 100, 'ada', 'ada', 'users'],
    ['b', 1000, 0, 0, 100, 7, 7, 'ada', 'root', 'users'],
    ['c', 33, 33, 0, 33, 33, 33, null, null, null],
  ]);
  assert.deepEqual([accounts.text('user', 33), accounts.text('user', 0)], ['33', '0 (root)']);
});

function known(list: RecordedObservation[]): unknown[] {
  return list.map(({ subject: { command, exe, ...subject }, ...rest }) => {
    const { uid, euid, fsuid, gid, egid, fsgid } = subject;
    return { ...rest, exe, command, ids: [uid, euid, fsuid, gid, egid, fsgid] };
  });
}

test('what is exported as CSV imports as the same record', async (t) => {
  const directory = directoryFor(t);
  const events = [
    {},
    { euid: 0, port: 1 },
    { euid: 0, fsuid: 33, egid: 7, fsgid: 1000, port: 2 },
    { family: 6, low: 1n, operation: 1 },
    { verdict: 1, port: 80 },
    { verdict: 2, port: 81 },
    { operation: 2, protocol: 17 },
    { operation: 3, family: 0, low: 0n, port: 1, protocol: 1 },
    { operation: 3, family: 0, low: 0n, port: 2, protocol: 0x0300 },
    { operation: 3, family: 0, low: 0n, port: 4, protocol: 6, verdict: 1 },
    { operation: 3, family: 0, low: 0n, port: 3, protocol: 6 },
    { operation: 3, family: 0, low: 0n, port: 3, protocol: 132 },
    { operation: 3, family: 0, low: 0n, port: 2, protocol: 6 },
  ] as const;
  const db = await record(directory, events, {}, (recording) => {
    recording.account('user', 1000, 'ada');
    recording.account('user', 0, 'root, "the" one');
    recording.account('group', 1000, 'users');
  });
  const file = join(directory, 'out.csv');
  assert.equal(runCommand('export', '--db', db, '--output', file).status, 0);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const again = join(directory, 'again.duckdb');
  assert.equal(runCommand('import', file, '--format', 'csv', '--db', again).status, 0);
  assert.deepEqual(known(await observed(again)), known(await observed(db)));
  const ids = readFileSync(file, 'utf8')
    .split('\n')
    .find((line) => line.includes(',10.0.0.1,2,'));
  assert.match(ids!, /,1000,0,33,1000,7,1000,ada,"root, ""the"" one",users,,,,10\.0\.0\.1,2,/);
  assert.equal(runCommand('export', '--db', db).stdout, readFileSync(file, 'utf8'));
  const reader = await openReader(again);
  const sql = `SELECT socket || ' ' || protocol, noted FROM connections WHERE operation = 'open' OR noted ORDER BY ALL`;
  const { rows } = await reader.query(sql);
  reader.close();
  assert.deepEqual(rows, [
    ['other AF_NETROM', false],
    ['other sctp', false],
    ['packet 0x0006', false],
    ['packet 0x0300', false],
    ['raw icmp', false],
    ['source-route tcp', false],
    [null, true],
  ]);
});

test('export writes NDJSON and Parquet, bounded by --since and --until', async (t) => {
  const directory = directoryFor(t);
  const db = await record(directory, [{}, { time: 1_795_300_000_000_000, port: 8443 }]);
  const { stdout } = runCommand(
    'export',
    '--db',
    db,
    '--format',
    'ndjson',
    '--since',
    '2026-11-21T20:00:00Z',
  );
  assert.deepEqual(JSON.parse(stdout), {
    ts: '2026-11-21T22:26:40.000000Z',
    host: 'web1',
    pid: 4711,
    comm: 'curl',
    exe: '/usr/bin/curl',
    script: null,
    uid: 1000,
    euid: 1000,
    fsuid: 1000,
    gid: 1000,
    egid: 1000,
    fsgid: 1000,
    user_name: null,
    euser_name: null,
    group_name: null,
    egroup_name: null,
    container: null,
    image: null,
    addr: '10.0.0.1',
    port: 8443,
    protocol: 'tcp',
    count: 1,
    operation: 'connect',
    verdict: 'allow',
    socket: null,
    ancestors: 'sh < sshd',
    in_container: false,
    labels: null,
    pod: null,
    namespace: null,
    unit: null,
    name: null,
    names: null,
    name_known: null,
    age: null,
    image_digest: null,
    cgroup: '/user.slice',
    noted: false,
  });
  const file = join(directory, 'out.parquet');
  const refused = runCommand('export', '--db', db, '--format', 'parquet');
  assert.match(refused.stderr, /^usage: a Parquet file/);
  const written = runCommand('export', '--db', db, '--format', 'parquet', '-o', file);
  assert.deepEqual([written.status, readFileSync(file, 'latin1').slice(0, 4)], [0, 'PAR1'], written.stderr);
  const nowhere = runCommand('export', '--db', db, '-o', join(directory, 'absent', 'out.csv'));
  assert.deepEqual([nowhere.status, nowhere.stderr.startsWith('usage: cannot write')], [2, true]);
});

test('a protocol without ports needs none, and another separator is named', async (t) => {
  const directory = directoryFor(t);
  const db = join(directory, 'bouheki.duckdb');
  const file = join(directory, 'flows.csv');
  const columns = ['ts', 'comm', 'uid', 'gid', 'addr', 'port', 'protocol'];
  const row = ['2026-11-20T00:00:00Z', 'ping', '0', '0', '192.0.2.1', '', 'icmp'];
  for (const [separator, name] of [
    [';', '";"'],
    ['\t', '"\\t"'],
  ] as const) {
    writeFileSync(file, `${columns.join(separator)}\n${row.join(separator)}\n`);
    const { status, stderr } = runCommand('import', file, '--format', 'csv', '--db', db);
    assert.equal(status, 2);
    assert.match(stderr, /the columns are separated by /);
    assert.ok(stderr.includes(name), stderr);
    assert.doesNotMatch(stderr, /--skip-bad/);
    assert.equal(existsSync(db), false, 'a refused import leaves a database behind');
  }
  writeFileSync(file, `${columns.join(',')}\n${row.join(',')}\n`);
  assert.equal(runCommand('import', file, '--format', 'csv', '--db', db).status, 0);
  const [ping] = await observed(db);
  assert.deepEqual([ping!.port, ping!.protocol], [0, 1]);
  // What was recorded before stays.
  writeFileSync(file, 'nonsense\n');
  assert.equal(runCommand('import', file, '--format', 'csv', '--db', db).status, 2);
  assert.equal((await observed(db)).length, 1);
});

test('an import in another encoding is refused with the line, whatever piece it is in', (t) => {
  const directory = directoryFor(t);
  const db = join(directory, 'bouheki.duckdb');
  const file = join(directory, 'flows.csv');
  const head = 'ts,comm,uid,gid,addr,port,protocol\n';
  const row = '2026-11-20T00:00:00Z,größe,0,0,192.0.2.1,443,tcp\n';
  const many = row.repeat(25_000);
  for (const [bytes, says] of [
    [Buffer.from(`\ufeff${head}${row}`, 'utf16le'), /: it is UTF-16/],
    [Buffer.from(head + row, 'latin1'), /: line 2 is not UTF-8/],
    [
      Buffer.concat([Buffer.from(head + many), Buffer.from(row, 'latin1'), Buffer.from(many)]),
      /: line 25002 is not UTF-8/,
    ],
    [Buffer.from(head + row).subarray(0, head.length + 24), /: line 2 is not UTF-8/],
  ] as const) {
    writeFileSync(file, bytes);
    const { status, stderr } = runCommand('import', file, '--format', 'csv', '--db', db);
    assert.equal(status, 2);
    assert.match(stderr, says);
    assert.equal(existsSync(db), false);
  }
});

test('a mistyped --db makes no directories', (t) => {
  const directory = directoryFor(t);
  const file = join(directory, 'flows.csv');
  writeFileSync(file, ROWS);
  const { status, stderr } = runCommand(
    'import',
    file,
    '--format',
    'csv',
    '--db',
    join(directory, 'a/b/x.duckdb'),
  );
  assert.equal(status, 2);
  assert.match(stderr, /^store: there is no directory .*\/a\/b for the database/);
  assert.equal(existsSync(join(directory, 'a')), false);
});
