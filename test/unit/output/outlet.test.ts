/** A reader of a recorder's output may stop reading, or go: that costs lines, which are counted, and nothing else. */
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openLogFile } from '../../../output/descriptor.ts';
import { Outlet } from '../../../output/outlet.ts';

const CHILD = join(import.meta.dirname, 'outlet-child.js');
/** More lines of 100 bytes than a pipe and the outlet hold. */
const MANY = 3000;

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'bouheki-test-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** Runs a shell command, in which `writer` writes MANY lines, in a folder. Returns what files it has left there. */
function shell(t: TestContext, command: string): (file: string) => string {
  const folder = folderFor(t);
  const writer = `writer() { ${process.execPath} ${CHILD} ${MANY} "$@" 2>said; echo $? >status; touch done; }`;
  execFileSync('bash', ['-c', `${writer}\n${command}`], { cwd: folder, timeout: 60_000 });
  return (file) => readFileSync(join(folder, file), 'utf8');
}

const droppedOf = (said: string) => Number(/^dropped (\d+)$/m.exec(said)![1]);

test('a reader that does not read delays nothing, and the lines that it finds later are whole', (t) => {
  const left = shell(t, 'writer | { until [ -e done ]; do sleep 0.02; done; cat >read; }');
  assert.equal(left('status'), '7\n');
  const lines = left('read').split('\n').slice(0, -1);
  assert.deepEqual(
    lines,
    lines.map((_, index) => String(index + 1).padEnd(99)),
  );
  assert.equal(droppedOf(left('said')), MANY + 1 - lines.length);
});

test('a reader that goes after a few lines ends nothing', (t) => {
  const left = shell(t, 'writer | head -n 3 >read');
  assert.equal(left('status'), '7\n');
  assert.match(left('said'), /^EPIPE$/m);
  assert.ok(droppedOf(left('said')) > 0);
});

test('a terminal that is stopped with Ctrl-S delays nothing', (t) => {
  // `script` passes what it reads on to its terminal as typed: its echo shows that the stop has been taken.
  const left = shell(
    t,
    `export -f writer
    { printf 'go\\n'; until [ -e started ]; do sleep 0.02; done; printf '\\023'; sleep 0.2; touch stopped
      until [ -e done ]; do sleep 0.02; done; } |
      SHELL=/bin/bash script -qec 'read -r _; touch started; until [ -e stopped ]; do sleep 0.02; done; writer' /dev/null >shown`,
  );
  assert.equal(left('status'), '7\n');
  assert.ok(droppedOf(left('said')) > 0, left('said'));
});

test('a terminal that goes away ends nothing', async (t) => {
  const folder = folderFor(t);
  const inside = `trap '' HUP; echo there; ${process.execPath} ${CHILD} 1 ${folder}/gone 2>${folder}/said; echo $? >${folder}/status`;
  const script = spawn('script', ['-qec', inside, '/dev/null'], { stdio: ['pipe', 'pipe', 'ignore'] });
  while (!existsSync(join(folder, 'said')) || readFileSync(join(folder, 'said'), 'utf8') === '')
    await sleep(20);
  script.kill('SIGKILL');
  await once(script, 'close');
  writeFileSync(join(folder, 'gone'), '');
  while (!existsSync(join(folder, 'status')) || readFileSync(join(folder, 'status'), 'utf8') === '')
    await sleep(20);
  assert.equal(readFileSync(join(folder, 'status'), 'utf8'), '7\n');
  const said = readFileSync(join(folder, 'said'), 'utf8');
  assert.match(said, /^EIO$/m);
  assert.equal(droppedOf(said), 1);
});

test('a socket that nobody reads delays nothing', async () => {
  const child = spawn(process.execPath, [CHILD, String(MANY * 5)], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stderr.on('data', (part) => (said += String(part)));
  const [status] = (await once(child, 'exit')) as [number];
  assert.equal(status, 7);
  if (!said.includes('dropped')) await once(child.stderr, 'end');
  assert.ok(droppedOf(said) > 0, said);
  child.stdout.destroy();
});

test('a full disk and a closed output end nothing', (t) => {
  for (const output of ['/dev/full', '&-']) {
    assert.equal(shell(t, `writer >${output}`)('status'), '7\n', output);
  }
});

test('what others have open as well is not changed: their writes wait as before', (t) => {
  const folder = folderFor(t);
  const left = spawnSync(
    'bash',
    [
      '-c',
      `exec 5>&1; ${process.execPath} ${CHILD} 5 done & until [ -s said ]; do sleep 0.02; done 2>/dev/null
      cat /proc/self/fdinfo/5 >&2; touch done; wait`.replace(`${CHILD} 5 done`, `${CHILD} 5 done 2>said`),
    ],
    { cwd: folder, encoding: 'utf8', timeout: 60_000, stdio: ['ignore', openSync('/dev/null', 'r'), 'pipe'] },
  );
  const flags = Number.parseInt(/^flags:\s+(\d+)$/m.exec(left.stderr)![1]!, 8);
  assert.equal(flags & constants.O_NONBLOCK, 0);
});

/** A FIFO with an outlet of 1,000 bytes to it, and a reader. */
function openFifo(t: TestContext) {
  const path = join(folderFor(t), 'fifo');
  execFileSync('mkfifo', [path]);
  const failures: (string | undefined)[] = [];
  const outlet = new Outlet(openLogFile(path), 1000, {
    missing: (count) => `${count} missing\n`,
    failed: ({ code }) => failures.push(code),
  });
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  t.after(() => closeSync(reader));
  const buffer = Buffer.alloc(1 << 20);
  const read = (): string => {
    let text = '';
    for (;;) {
      try {
        text += buffer.toString('utf8', 0, readSync(reader, buffer));
      } catch {
        return text;
      }
    }
  };
  return { outlet, read, failures };
}

test('a FIFO that nobody reads takes what it can, and where lines are missing stands how many', async (t) => {
  const { outlet, read, failures } = openFifo(t);
  for (let line = 1; line <= MANY; line += 1) outlet.write(`${String(line).padEnd(99)}\n`);
  assert.ok(outlet.dropped > 0 && outlet.waiting > 0 && outlet.waiting <= 1000);
  let text = read();
  await outlet.settle(60_000);
  outlet.write('after\n');
  text += read();
  const lines = text.split('\n').map((line) => line.trim());
  const kept = MANY - outlet.dropped;
  assert.deepEqual(lines, [
    ...Array.from({ length: kept }, (_, index) => String(index + 1)),
    `${outlet.dropped} missing`,
    'after',
    '',
  ]);
  assert.deepEqual(failures, [], 'it waited, and that is no failure');
  await outlet.close(0);
});

test('what only shows how things stand is left out while something waits, and not counted', async (t) => {
  const { outlet, read } = openFifo(t);
  outlet.show('one');
  while (outlet.waiting === 0) outlet.write(`${'x'.repeat(99)}\n`);
  outlet.show('two');
  let text = read();
  await outlet.settle(60_000);
  outlet.show('three');
  text += read();
  assert.match(text, /^one(x{99}\n)+three$/);
  assert.equal(outlet.dropped, 0);
  await outlet.close(0);
});

test('lines that nobody has read when the time is up count as dropped', async (t) => {
  const { outlet } = openFifo(t);
  while (outlet.waiting === 0) outlet.write(`${'x'.repeat(99)}\n`);
  await outlet.close(1);
  assert.equal(outlet.dropped, 1);
});
