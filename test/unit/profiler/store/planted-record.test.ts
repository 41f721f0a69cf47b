import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { requireRecordable } from '../../../../profiler/database/lock.ts';
import { openReader } from '../../../../profiler/read/read.ts';
import { openRecorder } from '../../../../profiler/store/store.ts';
import {
  asAttacker,
  ATTACKER,
  noAttacker,
  ownDirectory,
  sharedDirectory,
  whileAttacked,
} from '../../host/attacker.ts';
import { batchOf, LEARN, processRow, startRecording } from '../fixture.ts';

/** A record of one connection. */
async function recordAt(path: string): Promise<void> {
  const store = await openRecorder(path);
  const recording = await startRecording(store, LEARN);
  recording.process(processRow());
  recording.append(batchOf([{}], recording));
  await recording.end('complete');
  store.close();
}

async function refusedBoth(path: string, why: RegExp): Promise<void> {
  await assert.rejects(openReader(path), { code: 'untrusted', message: why });
  await assert.rejects(openRecorder(path), { code: 'untrusted', message: why });
  // Also before the kernel side is loaded, which takes much longer, and where no directory has to be made.
  if (existsSync(dirname(path)))
    assert.throws(() => requireRecordable(path), { code: 'untrusted', message: why });
}

/** Serves what it likes beside a database of its own, and prints when a reader has connected. */
const IMPOSTOR = `const db = argv[0];
  fs.writeFileSync(db, '');
  fs.writeFileSync(db + '.lock', process.pid + ' ' + fs.readFileSync('/proc/self/stat', 'utf8').split(') ')[1].split(' ')[19]);
  net.createServer(() => fs.writeFileSync(db + '.reached', '')).listen(db + '.sock', () => {
    fs.chmodSync(db + '.sock', 0o666);
    console.log('ready');
  });`;

test(
  'a record that a user serves in a shared directory is neither asked nor written',
  { skip: noAttacker },
  async (t) => {
    const db = join(sharedDirectory(t), 'ci.duckdb');
    await whileAttacked(IMPOSTOR, [db], async () => {
      await refusedBoth(db, /can be changed by users other than root: .* can be written by every user$/);
      // To close /tmp would be bad advice.
      await assert.rejects(openReader(db), { remedy: /^Use [^:]*, where no other user can write\.$/ });
      assert.ok(!existsSync(`${db}.reached`));
    });
  },
);

test('nor is one behind a directory or a link of that user', { skip: noAttacker }, async (t) => {
  const shared = sharedDirectory(t);
  const own = ownDirectory(t);
  await recordAt(join(own, 'ci.duckdb'));
  asAttacker(`fs.mkdirSync(argv[0] + '/way'); fs.symlinkSync(argv[1], argv[0] + '/link')`, shared, own);
  await refusedBoth(join(shared, 'way', 'ci.duckdb'), /way belongs to uid 1000$/);
  await refusedBoth(join(shared, 'way', 'new', 'ci.duckdb'), /way belongs to uid 1000$/);
  await refusedBoth(
    join(shared, 'link', 'ci.duckdb'),
    /link is a link that uid 1000 or others can have made$/,
  );
});

for (const ending of ['', '.wal', '.wal.checkpoint', '.wal.recovery', '.lock']) {
  test(
    `a planted file with the name of the record and "${ending}" is refused`,
    { skip: noAttacker },
    async (t) => {
      const db = join(ownDirectory(t), 'ci.duckdb');
      await recordAt(db);
      const [, start] = /\) (?:\S+ ){19}(\d+)/.exec(readFileSync('/proc/1/stat', 'utf8'))!;
      if (ending !== '') writeFileSync(db + ending, `1 ${start}\n`);
      chownSync(db + ending, ATTACKER, ATTACKER);
      await refusedBoth(db, /belongs to uid 1000$/);
    },
  );
}

test('a pipe, a link or a directory in place of any of its files is told at once', async (t) => {
  const db = join(ownDirectory(t), 'ci.duckdb');
  for (const ending of ['', '.wal', '.lock']) {
    await recordAt(db);
    rmSync(db + ending, { force: true });
    assert.equal(spawnSync('mkfifo', [db + ending]).status, 0);
    const fault = { code: 'store', message: `${db}${ending} is not a regular file` };
    await assert.rejects(openReader(db), fault);
    await assert.rejects(openRecorder(db), fault);
    rmSync(db + ending);
  }
  await recordAt(db);
  symlinkSync('/etc/hostname', `${db}.lock`);
  await assert.rejects(openRecorder(db), { code: 'store', message: `${db}.lock is not a regular file` });
});

test('what the lock is made from is not written through a link', async (t) => {
  const directory = ownDirectory(t);
  const db = join(directory, 'ci.duckdb');
  writeFileSync(join(directory, 'precious'), 'ours');
  symlinkSync('precious', `${db}.lock.${process.pid}`);
  await recordAt(db);
  assert.equal(readFileSync(join(directory, 'precious'), 'utf8'), 'ours');
});

test('a link of ours is followed: the lock and the log are those of the database that it means', async (t) => {
  const directory = ownDirectory(t);
  mkdirSync(join(directory, 'real'));
  const db = join(directory, 'ci.duckdb');
  symlinkSync('real/bouheki.duckdb', db);
  const store = await openRecorder(db);
  assert.ok(existsSync(join(directory, 'real', 'bouheki.duckdb.lock')));
  await assert.rejects(openRecorder(join(directory, 'real', 'bouheki.duckdb')), { code: 'store-busy' });
  const reader = await openReader(db);
  reader.close();
  store.close();
});

test(
  'who answers at the socket must be root or the caller, wherever it lies',
  { skip: noAttacker },
  async (t) => {
    const shared = sharedDirectory(t);
    const db = join(ownDirectory(t), 'ci.duckdb');
    await recordAt(db);
    const planted = join(shared, 'ci.duckdb');
    await whileAttacked(IMPOSTOR, [planted], async () => {
      for (const ending of ['.sock', '.lock']) {
        renameSync(planted + ending, db + ending);
        chownSync(db + ending, 0, 0);
      }
      await assert.rejects(openReader(db), {
        code: 'untrusted',
        message: /is answered by process \d+ of uid 1000$/,
      });
    });
  },
);

test('who asks at the socket must be too, whatever its mode', { skip: noAttacker }, async (t) => {
  const directory = ownDirectory(t);
  const db = join(directory, 'ci.duckdb');
  const store = await openRecorder(db);
  chmodSync(directory, 0o755);
  chmodSync(`${db}.sock`, 0o666);
  const script = `net.connect(argv[0]).on('data', () => console.log('answered')).on('close', () => console.log('closed'))
    .on('error', () => undefined);`;
  let shown = '';
  await whileAttacked(script, [`${db}.sock`], (output) => void (shown = output));
  assert.equal(shown, 'closed\n');
  const ours = connect(`${db}.sock`);
  await once(ours, 'data');
  ours.destroy();
  await store.stopServing();
  store.close();
});

/** A module of this program, as text of JavaScript. */
function moduleOf(path: string): string {
  return JSON.stringify(new URL(`../../../../profiler/${path}`, import.meta.url).href);
}

/** Runs part of this program as the attacker: it is read before, since they may not be able to. */
function asUser(
  script: string,
  ...args: string[]
): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `import { openReader } from ${moduleOf('read/read.js')}; import { openRecorder } from ${moduleOf('store/store.js')};
      const argv = process.argv.slice(1);
      process.setgroups([]); process.setgid(${ATTACKER}); process.setuid(${ATTACKER});
      ${script}`,
      ...args,
    ],
    { encoding: 'utf8' },
  );
}

const READ = `const reader = await openReader(argv[0]);
  console.log((await reader.recordings()).length); reader.close();`;

test(
  "a user's own record is theirs, with the umask that gives their group the right to write",
  { skip: noAttacker },
  (t) => {
    const shared = sharedDirectory(t);
    asAttacker(`process.umask(0o002); fs.mkdirSync(argv[0] + '/own')`, shared);
    const db = join(shared, 'own', 'below', 'ci.duckdb');
    const { status, stderr, stdout } = asUser(
      `const store = await openRecorder(argv[0]); store.close(); ${READ}`,
      db,
    );
    assert.deepEqual([status, stdout], [0, '0\n'], stderr);
  },
);

test(
  "root's record is read by whom its mode lets, and by nobody else",
  { skip: noAttacker },
  async (t: TestContext) => {
    const directory = ownDirectory(t);
    const db = join(directory, 'ci.duckdb');
    await recordAt(db);
    assert.match(asUser(READ, db).stderr, /no permission to open/);
    chmodSync(directory, 0o755);
    assert.match(asUser(READ, db).stderr, /no permission to open/);
    chmodSync(db, 0o644);
    const { stdout, stderr } = asUser(READ, db);
    assert.equal(stdout, '1\n', stderr);
  },
);
