import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { ProcessFlag } from '../../../bpf/wire.ts';
import { Known } from '../../../profiler/event/columns.ts';
import { openReader } from '../../../profiler/read/read.ts';
import { processRow } from '../profiler/fixture.ts';
import { directoryFor, FLOW_ROWS as ROWS, record, runCommand } from './fixture.ts';

async function counts(db: string): Promise<number[]> {
  const reader = await openReader(db);
  const observations = await reader.observations();
  reader.close();
  return observations.map(({ count }) => count);
}

test('rows that the record has already are recognised in any format and order; --again takes them all the same', async (t) => {
  const directory = directoryFor(t);
  const db = join(directory, 'bouheki.duckdb');
  const file = join(directory, 'flows.csv');
  const [head, ...rows] = ROWS.trimEnd().split('\n');
  const run = (text: string, ...more: string[]) => {
    writeFileSync(file, text);
    return runCommand('import', file, '--format', 'csv', '--db', db, ...more);
  };
  assert.equal(run(ROWS).status, 0);
  for (const text of [ROWS, [head, ...rows.toReversed()].join('\n'), [head, rows[1]].join('\r\n')]) {
    const { status, stderr } = run(text);
    assert.equal(status, 2);
    assert.match(stderr, /^usage: the record has every row of .*flows\.csv already/m);
  }
  for (const format of ['csv', 'ndjson', 'parquet']) {
    const exported = join(directory, `out.${format}`);
    assert.equal(runCommand('export', '--db', db, '--format', format, '-o', exported).status, 0);
    const { status, stderr } = runCommand('import', exported, '--format', format, '--db', db);
    assert.equal(status, 2, format);
    assert.match(stderr, /every row/);
  }
  assert.deepEqual(await counts(db), [6, 2]);
  const more = run(
    `${ROWS}2026-11-20T10:00:01Z,web1,4711,curl,/usr/bin/curl,1000,1000,,,10.0.0.1,443,tcp,1\n`,
  );
  assert.equal(more.status, 0, more.stderr);
  assert.match(more.stderr, /^The record had 3 of these rows before: they count twice now\.$/m);
  assert.equal(run(ROWS, '--again').status, 0);
  assert.deepEqual(await counts(db), [19, 6]);
});

test('what was recorded and exported is known to its own record', async (t) => {
  const directory = directoryFor(t);
  const db = await record(directory, [{}, { port: 80 }]);
  const file = join(directory, 'out.csv');
  assert.equal(runCommand('export', '--db', db, '-o', file).status, 0);
  assert.match(runCommand('import', file, '--format', 'csv', '--db', db).stderr, /has every row of/);
});

/** The rules for curl on the host; none is for the unnamed containers beside it. */
function rulesOf(from: string): string {
  const { stdout, stderr } = runCommand('generate', '--db', from);
  assert.match(stderr, /Not allowed \(unnamed subject\): unknown container uid 1000/);
  assert.match(stdout, /\/usr\/bin\/curl uid 1000/);
  assert.doesNotMatch(stdout, /container: |\(unknown\)|0123456789ab/);
  return stdout.slice(stdout.indexOf('  allow:'));
}

/** What a record says of the containers. */
async function told(from: string): Promise<unknown[][]> {
  const reader = await openReader(from);
  const sql =
    'SELECT container, image, image_digest, labels, pod, namespace, unit, cgroup, in_container FROM connections ORDER BY ALL';
  const { rows } = await reader.query(sql);
  reader.close();
  return rows;
}

test('a container without a name comes back without one in every format, and gets no rule', async (t) => {
  const directory = directoryFor(t);
  const db = await record(
    directory,
    [{ process: 2 }, { process: 3, port: 80 }, { port: 22 }],
    {},
    (recording) => {
      const unnamed = {
        runtime: 'docker',
        id: '0123456789ab'.repeat(5),
        name: '',
        image: 'img:1',
        imageId: '',
      };
      const containerId = recording.container(unnamed);
      recording.process(processRow({ key: 2n, containerId, flags: ProcessFlag.inContainer, cgroupPath: '' }));
      recording.process(processRow({ key: 3n, flags: ProcessFlag.inContainer, cgroupPath: '' }));
    },
  );
  const before = rulesOf(db);
  for (const format of ['csv', 'ndjson', 'parquet']) {
    const file = join(directory, `out.${format}`);
    const again = join(directory, `${format}.duckdb`);
    assert.equal(runCommand('export', '--db', db, '--format', format, '-o', file).status, 0);
    const { status, stderr } = runCommand('import', file, '--format', format, '--db', again);
    assert.equal(status, 0, stderr);
    assert.equal(rulesOf(again), before);
  }
  // An export of an earlier version had the id, or a word, for the name.
  const old = join(directory, 'old.csv');
  const row = '2026-11-21T00:00:00Z,curl,/usr/bin/curl,1000,1000';
  writeFileSync(
    old,
    `ts,comm,exe,uid,gid,container,addr,port,protocol\n${row},(unknown),10.0.0.1,443,tcp\n` +
      `${row},0123456789ab,10.0.0.1,80,tcp\n${row},,10.0.0.1,22,tcp\n`,
  );
  const oldDb = join(directory, 'old.duckdb');
  assert.equal(runCommand('import', old, '--format', 'csv', '--db', oldDb).status, 0);
  rulesOf(oldDb);
});

test('unit, cgroup, digest, labels, pod and namespace survive export and import, and other columns are told of', async (t) => {
  const directory = directoryFor(t);
  const db = await record(directory, [{ process: 2 }, {}], {}, (recording) => {
    const labels = { app: 'shop, "web"', tier: 'é' };
    const container = { runtime: 'cri', id: 'ab', name: 'shop/web', image: 'img:1', imageId: '', labels };
    const containerId = recording.container({
      ...container,
      pod: 'web-1',
      namespace: 'shop',
      digest: 'sha256:d',
    });
    recording.process(
      processRow({ key: 2n, containerId, unit: 'k.service', flags: ProcessFlag.inContainer }),
    );
  });
  const before = await told(db);
  assert.equal(before.length, 2);
  for (const format of ['csv', 'ndjson', 'parquet']) {
    const file = join(directory, `out.${format}`);
    const again = join(directory, `${format}.duckdb`);
    assert.equal(runCommand('export', '--db', db, '--format', format, '-o', file).status, 0);
    assert.equal(runCommand('import', file, '--format', format, '--db', again).status, 0);
    assert.deepEqual(await told(again), before, format);
  }
  const extra = join(directory, 'extra.csv');
  const [head, first] = ROWS.split('\n');
  writeFileSync(extra, `${head},colour,\u009bx,\n${first},red,,\n`);
  const csv = runCommand(
    'import',
    extra,
    '--format',
    'csv',
    '--skip-bad',
    '--db',
    join(directory, 'x.duckdb'),
  );
  assert.match(csv.stderr, /^Columns that are not read: colour, \\u\{9b\}x\.$/m);
  const line = { ts: 1795168800, comm: 'a', uid: 0, gid: 0, addr: '192.0.2.1', port: 1, protocol: 'tcp' };
  writeFileSync(
    extra,
    `${JSON.stringify({ ...line, shade: 1 })}\n\n${JSON.stringify({ ...line, port: 'x' })}\n`,
  );
  const ndjson = runCommand(
    'import',
    extra,
    '--format',
    'ndjson',
    '--skip-bad',
    '--db',
    join(directory, 'y'),
  );
  assert.match(ndjson.stderr, /^Left out .*extra\.csv:3:1: port: "x" is no number/m);
  assert.match(ndjson.stderr, /^Columns that are not read: shade\.$/m);
  writeFileSync(extra, 'no JSON\n');
  const none = runCommand('import', extra, '--format', 'ndjson', '--db', join(directory, 'z'));
  assert.match(none.stderr, /extra\.csv:1:1: the line is no JSON/);
  const notParquet = runCommand('import', extra, '--format', 'parquet', '--db', join(directory, 'z'));
  assert.match(notParquet.stderr, /^usage: cannot read .*extra\.csv/m);
  assert.equal(existsSync(join(directory, 'z')), false);
});

test('names go out and come back in every format, and a file without them imports as before', async (t) => {
  const directory = directoryFor(t);
  const odd = '=a\u{9b},b c.example';
  const db = await record(directory, [
    { names: ['api.example', 'www.example'], known: Known.self, age: -3 },
    { port: 80, names: [odd], known: Known.host, age: 4000 },
    { port: 22 },
  ]);
  const shown = 'SELECT port, name, names, name_known, age FROM connections ORDER BY port';
  const rowsOf = async (path: string): Promise<unknown[][]> => {
    const reader = await openReader(path);
    const { rows } = await reader.query(shown);
    reader.close();
    return rows;
  };
  const rows = await rowsOf(db);
  assert.deepEqual(rows[0], [22, null, null, null, null]);
  assert.deepEqual(rows[2], [443, 'api.example', 'api.example www.example', 'self', -3]);
  for (const format of ['csv', 'ndjson', 'parquet']) {
    const file = join(directory, `out.${format}`);
    assert.equal(runCommand('export', '--db', db, '--format', format, '-o', file).status, 0);
    const copy = join(directory, `${format}.duckdb`);
    const { status, stderr } = runCommand('import', file, '--format', format, '--db', copy);
    assert.equal(status, 0, stderr);
    assert.deepEqual(await rowsOf(copy), rows, format);
    assert.match(runCommand('import', file, '--format', format, '--db', db).stderr, /every row/);
  }
  const exported = readFileSync(join(directory, 'out.csv'), 'utf8');
  assert.match(exported, /^.*,name,names,name_known,age,/m);
  assert.match(exported, /,self,-3,/);
  const old = readFileSync(join(directory, 'out.ndjson'), 'utf8').replace(/,"name":[^\n]*(?=\}\n)/g, '');
  assert.doesNotMatch(old, /example/);
  writeFileSync(join(directory, 'old.ndjson'), old);
  const known = runCommand('import', join(directory, 'old.ndjson'), '--format', 'ndjson', '--db', db);
  assert.match(known.stderr, /every row/);
});

test('names that no record could have are refused by line and column', (t) => {
  const directory = directoryFor(t);
  const file = join(directory, 'flows.csv');
  const run = (cells: string) => {
    writeFileSync(
      file,
      `ts,comm,uid,gid,addr,port,protocol,name,names,name_known,age\n1795168800,curl,0,0,10.0.0.1,443,tcp,${cells}\n`,
    );
    return runCommand('import', file, '--format', 'csv', '--db', join(directory, 'new.duckdb')).stderr;
  };
  for (const [cells, problem] of [
    [',,self,', /flows\.csv:2:\d+: name_known: there is no name/],
    [',,,5', /age: there is no name/],
    ['a.example,,root,', /name_known: "root" is none of self, cgroup, host, unbelieved/],
    ['a.example,,self,1.5', /age: "1\.5" is no number of seconds/],
    [`,${'x'.repeat(1017)},self,1`, /names: "x+…" is longer than a name can be/],
    [`,${Array.from({ length: 65 }, (_, index) => `n${index}`).join(' ')},self,1`, /more than 64 names/],
  ] as const) {
    assert.match(run(cells), problem);
  }
  assert.doesNotMatch(run('B.example.,a.example b.example,,'), /usage/);
});
