import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { asAttacker, ATTACKER, noAttacker } from '../../host/attacker.ts';
import { encodeFrame } from '../../../../profiler/serve/frame.ts';
import { MAIN, marked } from '../review-fixture.ts';
import { ask, doorOf, enter, startUi, type Ui } from './fixture.ts';

interface Asked {
  status: number | null;
  stdout: string;
  stderr: string;
}

function askLink(...args: string[]): Asked {
  return spawnSync(process.execPath, [MAIN, 'ui', '--link', ...args], { encoding: 'utf8' });
}

/** The link that is printed. */
function linkOf({ status, stderr, stdout }: Asked): string {
  assert.equal(status, 0, stderr);
  assert.match(stdout, /^http:\/\/[\w.]+:\d+\/[\w-]{43}\n$/);
  assert.match(stderr, /^Open this link, which works once\. One that was printed before works no more\.\n$/);
  return stdout.trim();
}

async function ended({ child }: Ui): Promise<void> {
  const exit = once(child, 'exit');
  child.kill('SIGINT');
  assert.deepEqual(await exit, [0, null]);
}

test('another link lets another browser in, while the first one stays in', async (t) => {
  const { db } = await marked(t);
  const ui = await startUi(t, ['--db', db]);
  const first = await enter(ui.link);
  const second = await enter(linkOf(askLink('--db', db)));
  for (const { cookie, page } of [first, second])
    assert.equal((await ask(page, { headers: { cookie } })).status, 200);
  const { body, status } = await ask(ui.link);
  assert.equal(status, 403);
  assert.match(body, /`bouheki ui --link` prints another one/);
  await ended(ui);
  assert.equal(existsSync(`${db}.ui`), false);
});

test('a link that was lost works no more once there is another one', async (t) => {
  const { db } = await marked(t);
  const { link } = await startUi(t, ['--db', db]);
  const second = linkOf(askLink('--db', db));
  const third = linkOf(askLink('--db', db));
  for (const lost of [link, second]) assert.equal((await ask(lost)).status, 403);
  await enter(third);
  assert.equal((await ask(third)).status, 403);
});

test('behind a socket the other link has the port of the tunnel as well', async (t) => {
  const { db } = await marked(t);
  const socket = join(dirname(db), 'browser.sock');
  await startUi(t, ['--db', db, '--socket', socket]);
  const link = linkOf(askLink('--db', db));
  assert.match(link, /^http:\/\/localhost:8080\//);
  const { cookie, page } = await enter(link, socket);
  assert.equal((await ask(page, { headers: { cookie }, socketPath: socket })).status, 200);
});

test('where none runs it says so, and what does not fit it as well', async (t) => {
  const { db, file } = await marked(t);
  const none = askLink('--db', db);
  assert.equal(none.status, 2);
  assert.match(none.stderr, /no `bouheki ui` runs on .*\n {2}Start it: /);
  assert.equal(none.stdout, '');
  for (const args of [[file], ['--edit'], ['--port', '1'], ['--socket', 'x'], ['--since', '1d']]) {
    const { status, stderr, stdout } = askLink('--db', db, ...args);
    assert.equal(status, 2);
    assert.match(stderr, /--link asks the one that runs/, args.join(' '));
    assert.equal(stdout, '');
  }
});

test('what a kill leaves is none, and is taken over; a second one leaves the first alone', async (t) => {
  const { db } = await marked(t);
  const killed = await startUi(t, ['--db', db]);
  const door = doorOf(killed.child);
  killed.child.kill('SIGKILL');
  await once(killed.child, 'exit');
  assert.ok(door > 0 && lstatSync(`${db}.ui`).isSocket());
  assert.match(askLink('--db', db).stderr, /no `bouheki ui` runs on/);
  const first = await startUi(t, ['--db', db]);
  const second = await startUi(t, ['--db', db]);
  assert.match(second.said(), new RegExp(`--link asks process ${first.child.pid}, which serves this record`));
  assert.equal(new URL(linkOf(askLink('--db', db))).port, new URL(first.link).port);
  await ended(second);
  assert.equal(new URL(linkOf(askLink('--db', db))).port, new URL(first.link).port);
});

test('another user gets no link', { skip: noAttacker }, async (t) => {
  const { db } = await marked(t);
  const ui = await startUi(t, ['--db', db]);
  const socket = `${db}.ui`;
  assert.equal(lstatSync(socket).mode & 0o777, 0o600);
  chmodSync(dirname(db), 0o755);
  asAttacker(
    `require('node:net').connect(process.argv[1]).on('connect', () => process.exit(1))
      .on('error', ({ code }) => process.exit(code === 'EACCES' ? 0 : 2));`,
    socket,
  );
  // Nor where the mode lets him ask.
  chownSync(socket, ATTACKER, ATTACKER);
  asAttacker(
    `require('node:net').connect(process.argv[1]).on('data', () => process.exit(1)).on('error', () => {})
      .on('close', () => process.exit(0)).write(Buffer.from(process.argv[2], 'hex'));`,
    socket,
    encodeFrame({ anotherLink: true }).toString('hex'),
  );
  await enter(ui.link);
});

test('what comes to its socket neither costs a link nor ends it', async (t) => {
  const { db } = await marked(t);
  const ui = await startUi(t, ['--db', db]);
  for (const bytes of ['', 'GET / HTTP/1.1\r\n\r\n', '\u0001\0\0\0x', '\xff'.repeat(100_000)]) {
    const socket = connect(`${db}.ui`).on('error', () => undefined);
    await once(socket, 'connect');
    const closed = new Promise((resolve) => socket.on('close', resolve));
    socket.end(bytes);
    socket.resume();
    await closed;
  }
  const idle = Array.from({ length: 20 }, () => connect(`${db}.ui`).on('error', () => undefined));
  t.after(() => idle.forEach((socket) => socket.destroy()));
  await enter(ui.link);
  await ended(ui);
});

test('where there can be no such socket it serves all the same, and says that it has one link', async (t) => {
  const { db } = await marked(t);
  mkdirSync(`${db}.ui`);
  const ui = await startUi(t, ['--db', db]);
  assert.match(ui.said(), /There is this one link alone: cannot listen at .*\.ui/);
  await enter(ui.link);
  await ended(ui);
  assert.ok(lstatSync(`${db}.ui`).isDirectory());
});
