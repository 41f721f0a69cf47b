/** Nothing that a reader asks keeps a denial from being denied, logged and recorded. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pythonTo } from './attempt.ts';
import { bouheki, query, Running } from './bouheki.ts';
import { folder, run, startNetwork, stopNetwork } from './guest.ts';

before(startNetwork);
after(stopNetwork);

const out = folder();
const LOGGING = `enable_logging(level = 'trace', storage = 'file', storage_config = {'path': '${out}/log'})`;

/** Those that ended a recorder which ran them; all kinds are tried without a kernel in test/unit/profiler/read/statement-check.test.ts. */
const REFUSED = [
  `CALL ${LOGGING}`,
  `EXPLAIN ANALYZE CALL ${LOGGING}`,
  'EXPLAIN ANALYZE CHECKPOINT',
  `COPY (SELECT 1) TO '${out}/copy.csv'`,
  "SELECT repeat('x', 2000000000)",
];

/** They have no end, or none that anybody lives to see. */
const ENDLESS = [
  'WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t',
  'SELECT count(*) FROM range(1000000000) a, range(1000000000) b',
  'SELECT sum(range) FROM range(1000000000000000000)',
  `SELECT string_agg(repeat('x', 1000000), '') FROM range(1000000000)`,
];

const PERSISTENT = `
import errno, socket, sys, time
ends = {}
print('begun', flush=True)
while not sys.stdin.closed and time.sleep(0.01) is None:
    try:
        socket.create_connection((sys.argv[1], 80), 5).close()
        end = 'reached'
    except OSError as error:
        end = errno.errorcode.get(error.errno, str(error))
    ends[end] = ends.get(end, 0) + 1
    print(' '.join(sorted(ends)), ends.get('EPERM', 0), flush=True)
`;

test('a denied address stays denied, logged and recorded, whatever is asked meanwhile', async () => {
  const place = folder();
  const [db, policy] = [join(place, 'record.duckdb'), join(place, 'policy.yaml')];
  writeFileSync(policy, 'network:\n  mode: block\n  cidr:\n    deny: [10.0.1.71/32]\n');
  chmodSync(policy, 0o600);
  const enforce = await Running.start('enforce', policy, '--db', db);
  const client = spawn('python3', ['-c', PERSISTENT, '10.0.1.71'], { stdio: ['pipe', 'pipe', 'inherit'] });
  let told = '';
  client.stdout.on('data', (part) => (told = String(part).trimEnd().split('\n').at(-1)!));
  await once(client.stdout, 'data');

  for (const sql of REFUSED) {
    const { status, stdout, stderr } = bouheki('query', '--db', db, sql);
    assert.deepEqual([status, stdout], [2, ''], sql);
    assert.match(stderr, /^bouheki: /, sql);
    assert.doesNotMatch(stderr, /is a bug/, sql);
  }
  assert.deepEqual(readdirSync(out), [], 'nothing was written');

  // All at once, until the client has tried some more.
  const endless = ENDLESS.map((sql) =>
    spawn(process.execPath, ['dist/bundle/main.js', 'query', '--db', db, sql], { stdio: 'ignore' }),
  );
  const attempts = (): number => Number(told.split(' ')[1]);
  const enough = attempts() + 200;
  while (attempts() < enough) await once(client.stdout, 'data');
  for (const child of endless) child.kill('SIGKILL');

  assert.equal(pythonTo('tcp', '10.0.1.71', 8080), 'EPERM');
  await enforce.logged({ Addr: '10.0.1.71', Port: 8080 });
  await enforce.recorded(db, `SELECT port FROM connections WHERE address = '10.0.1.71' AND port = 8080`);
  const ended = once(client, 'exit');
  client.kill('SIGTERM');
  await ended;
  const [ends, denials] = told.split(' ');
  assert.equal(ends, 'EPERM', told);
  assert.ok(Number(denials) > 100, told);
  const { status, stderr } = await enforce.end('SIGTERM');
  assert.equal(status, 0, stderr);
  const [recorded] = await query<{ n: string }>(
    db,
    `SELECT count(*) AS n FROM connections WHERE address = '10.0.1.71'`,
  );
  assert.ok(Number(recorded!.n) > Number(denials), `${recorded!.n} recorded, ${denials} denied`);
  assert.equal(run('pgrep', '-f', 'query-process').stdout, '', 'those that answered are gone');
  assert.ok(!existsSync(`${db}.lock`));
});
