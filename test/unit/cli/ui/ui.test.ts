import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { asAttacker, ATTACKER, noAttacker, sharedDirectory } from '../../host/attacker.ts';
import { directoryFor } from '../fixture.ts';
import { marked } from '../review-fixture.ts';
import { type Answer, ask, doorOf, enter, post, startUi, type Ui } from './fixture.ts';

/** Nothing of the record is in an answer. */
function assertRefused({ body, headers, status }: Answer, expected = 403): void {
  assert.equal(status, expected, body);
  assert.equal(headers['content-type'], 'text/plain; charset=utf-8');
  assert.doesNotMatch(body, /curl|10\.0\.0\.1/);
  assert.equal(headers['set-cookie'], undefined);
}

function statusOf({ child }: Ui): string {
  return readFileSync(`/proc/${doorOf(child)}/status`, 'utf8');
}

function assertNoRights(text: string, uid: number): void {
  assert.match(text, new RegExp(`^Uid:\\t${uid}\\t${uid}\\t${uid}\\t${uid}$`, 'm'));
  assert.match(text, new RegExp(`^Gid:\\t${uid}\\t${uid}\\t${uid}\\t${uid}$`, 'm'));
  assert.match(text, /^Groups:\t *$/m);
  for (const set of ['Prm', 'Eff', 'Amb']) assert.match(text, new RegExp(`^Cap${set}:\\t0+$`, 'm'));
}

async function ended({ child }: Ui, signal: NodeJS.Signals = 'SIGINT'): Promise<number> {
  const exit = once(child, 'exit');
  child.kill(signal);
  const [status] = (await exit) as [number];
  return status;
}

test('another origin, a wrong Host, a link that was used and a missing cookie are refused', async (t) => {
  const { db, file } = await marked(t);
  const { link } = await startUi(t, [file, '--edit', '--db', db]);
  assert.match(link, /^http:\/\/127\.0\.0\.1:\d+\/[\w-]{43}$/);
  // The link works once, for a browser that types it.
  assertRefused(await ask(link, { headers: { host: 'evil.example' } }));
  assertRefused(await ask(link, { headers: { 'sec-fetch-site': 'cross-site' } }));
  const { cookie, page } = await enter(link);
  assertRefused(await ask(link));
  const { body, status } = await ask(page, { headers: { cookie } });
  assert.equal(status, 200);
  assert.match(body, /\/usr\/bin\/curl/);
  for (const path of ['', 'review', 'events', 'review?answer=deny']) {
    assertRefused(await ask(`${page}${path}`));
    assertRefused(await ask(`${page}${path}`, { headers: { cookie: `${cookie}x` } }));
    assertRefused(await ask(`${page}${path}`, { headers: { cookie, host: 'evil.example' } }));
    assertRefused(await ask(`${page}${path}`, { headers: { cookie, origin: 'http://evil.example' } }));
    assertRefused(await ask(`${page}${path}`, { headers: { cookie, 'sec-fetch-site': 'same-site' } }));
    assertRefused(await ask(new URL(`/${path}`, page).href, { headers: { cookie } }));
  }
  assertRefused(await ask(page, { method: 'DELETE', headers: { cookie } }), 405);
  // And nothing of it has changed anything.
  const before = readFileSync(file, 'utf8');
  for (const headers of [{}, { origin: 'http://evil.example' }, { origin: 'null' }])
    assertRefused(
      await post({ cookie, page }, { do: 'take', answer: 'deny' }, headers as Record<string, string>),
    );
  assert.equal(readFileSync(file, 'utf8'), before);
});

test('every answer forbids what a page of it does not need, and a browser keeps none', async (t) => {
  const { db, file } = await marked(t);
  const { link } = await startUi(t, [file, '--edit', '--db', db]);
  const { cookie, page } = await enter(link);
  const answers = await Promise.all(
    [`${page}`, `${page}review`, `${page}nothing`, page.slice(0, -2)].map((url) =>
      ask(url, { headers: { cookie } }),
    ),
  );
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 200, 404, 403],
  );
  for (const { headers } of answers) {
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.equal(headers['cache-control'], 'no-store');
    assert.equal(headers['referrer-policy'], 'no-referrer');
    assert.match(
      headers['content-security-policy'] as string,
      /^default-src 'none';.*frame-ancestors 'none'/,
    );
    assert.doesNotMatch(headers['content-security-policy'] as string, /unsafe|http|\*/);
  }
});

test('without --edit nothing can be decided, and what a form may hold is bounded', async (t) => {
  const { db, file } = await marked(t);
  const before = readFileSync(file, 'utf8');
  const { link } = await startUi(t, [file, '--db', db]);
  const inside = await enter(link);
  const { body, status } = await ask(`${inside.page}review`, { headers: { cookie: inside.cookie } });
  assert.equal(status, 403);
  assert.match(body, /Start it with a policy and --edit/);
  assert.equal((await post(inside, { do: 'take', answer: 'deny' })).status, 403);
  assert.equal((await post(inside, { do: 'x'.repeat(20_000) })).status, 413);
  const origin = { origin: new URL(inside.page).origin };
  assert.equal((await post(inside, {}, { ...origin, 'content-type': 'application/json' })).status, 413);
  assert.equal(readFileSync(file, 'utf8'), before);
  assert.equal(existsSync(`${file}.decisions`), false);
});

test('another user gets in neither by the socket nor by the port', { skip: noAttacker }, async (t) => {
  const { db } = await marked(t);
  const socket = join(sharedDirectory(t), 'ui.sock');
  const { link } = await startUi(t, ['--db', db, '--socket', socket]);
  assert.match(link, /^http:\/\/localhost:8080\/[\w-]{43}$/);
  assert.equal(lstatSync(socket).mode & 0o777, 0o600);
  asAttacker(
    `require('node:net').connect(process.argv[1]).on('connect', () => process.exit(1))
      .on('error', ({ code }) => process.exit(code === 'EACCES' ? 0 : 2));`,
    socket,
  );
  const { cookie, page } = await enter(link, socket);
  assert.equal((await ask(page, { headers: { cookie }, socketPath: socket })).status, 200);
  // What comes through a tunnel has the host of its other end.
  assert.equal(
    (await ask(page, { headers: { cookie, host: 'localhost:9999' }, socketPath: socket })).status,
    200,
  );
  assertRefused(await ask(page, { headers: { cookie, host: 'evil.example:8080' }, socketPath: socket }));
  const byPort = await startUi(t, ['--db', db]);
  const { origin } = new URL(byPort.link);
  asAttacker(
    `fetch(process.argv[1]).then(async (answer) => {
      const text = await answer.text();
      process.exit(answer.status === 403 && !text.includes('curl') ? 0 : 1);
    }, () => process.exit(2));`,
    `${origin}/`,
  );
});

test(
  'what answers browsers has the rights of nobody, or of who called sudo',
  { skip: noAttacker },
  async (t) => {
    const { db } = await marked(t);
    const alone = await startUi(t, ['--db', db]);
    assert.match(alone.said(), /answers browsers, as nobody \(uid 65534\) and with no right of root/);
    assertNoRights(statusOf(alone), 65_534);
    const sudo = { SUDO_UID: String(ATTACKER), SUDO_GID: String(ATTACKER), SUDO_USER: 'ada' };
    // In a directory of root's the socket is handed over; in one of the user's own it is made as that user.
    const own = join(directoryFor(t), 'own');
    mkdirSync(own, { mode: 0o700 });
    chmodSync(join(own, '..'), 0o755);
    chownSync(own, ATTACKER, ATTACKER);
    for (const socket of [join(sharedDirectory(t), 'ui.sock'), join(own, 'ui.sock')]) {
      const ui = await startUi(t, ['--db', db, '--socket', socket], sudo);
      assert.match(ui.said(), /as ada \(uid 1000\) and with no right of root/);
      assertNoRights(statusOf(ui), ATTACKER);
      const { mode, uid } = lstatSync(socket);
      assert.deepEqual([mode & 0o777, uid], [0o600, ATTACKER]);
      const { cookie, page } = await enter(ui.link, socket);
      assert.equal((await ask(page, { headers: { cookie }, socketPath: socket })).status, 200);
      assert.equal(await ended(ui), 0);
      assert.equal(existsSync(socket), false);
    }
  },
);

test('a signal ends it with its process and its socket, and a page that is open is told', async (t) => {
  const { db } = await marked(t);
  const socket = join(directoryFor(t), 'ui.sock');
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    const ui = await startUi(t, ['--db', db, '--socket', socket]);
    const door = doorOf(ui.child);
    const { cookie, page } = await enter(ui.link, socket);
    const stream = ask(`${page}events`, { headers: { cookie }, socketPath: socket });
    await sleep(50);
    assert.equal(await ended(ui, signal), 0, ui.said());
    assert.match((await stream).body, /event: ended\n/);
    assert.equal(existsSync(socket), false);
    assert.equal(existsSync(`/proc/${door}`), false);
  }
});

test('a second start at the same socket says who has it, and a socket that nobody has is taken over', async (t) => {
  const { db } = await marked(t);
  const directory = directoryFor(t);
  const socket = join(directory, 'ui.sock');
  const args = ['--db', db, '--socket', socket];
  const first = await startUi(t, args);
  const door = doorOf(first.child);
  await assert.rejects(
    startUi(t, args),
    new RegExp(
      `ended with 2: bouheki: .*ui\\.sock is in use by process ${door} of uid ${process.geteuid!()}\\n`,
    ),
  );
  // The first one is as it was.
  const { cookie, page } = await enter(first.link, socket);
  assert.equal((await ask(page, { headers: { cookie }, socketPath: socket })).status, 200);
  process.kill(door, 'SIGKILL');
  const [status] = (await once(first.child, 'exit')) as [number];
  assert.equal(status, 2);
  assert.match(first.said(), /the process that answers browsers is gone/);
  writeFileSync(join(directory, 'file'), '');
  await assert.rejects(
    startUi(t, ['--db', db, '--socket', join(directory, 'file')]),
    /is there already, and is no socket/,
  );
  // As a kill leaves it.
  const killed = await startUi(t, args);
  process.kill(doorOf(killed.child), 'SIGSTOP');
  const stopped = doorOf(killed.child);
  killed.child.kill('SIGKILL');
  process.kill(stopped, 'SIGKILL');
  await once(killed.child, 'exit');
  assert.equal(existsSync(socket), true);
  const again = await startUi(t, args);
  assert.equal(await ended(again), 0);
});

test('where it is killed the process that answers browsers ends as well', async (t) => {
  const { db } = await marked(t);
  const { child, link } = await startUi(t, ['--db', db]);
  const door = doorOf(child);
  child.kill('SIGKILL');
  while (existsSync(`/proc/${door}/fd`) && readFileSync(`/proc/${door}/cmdline`, 'utf8') !== '')
    await sleep(20);
  const refused = connect(Number(new URL(link).port), '127.0.0.1');
  const [error] = (await once(refused, 'error')) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ECONNREFUSED');
});

test('what it cannot do it says, and nothing is left', async (t) => {
  const { db, file } = await marked(t);
  const directory = directoryFor(t);
  const { link } = await startUi(t, ['--db', db]);
  const { port } = new URL(link);
  const cases: [args: string[], said: RegExp][] = [
    [['--edit'], /--edit needs the policy/],
    [['-'], /can be read only once/],
    [['--port', '70000'], /It must be a number from 0 to 65535/],
    [['--port', '1', '--socket', 'x'], /give one of them/],
    [
      ['--port', port],
      new RegExp(`cannot listen at port ${port} of 127\\.0\\.0\\.1\\n {2}Name another --port`),
    ],
    [['--socket', join(directory, 'no/ui.sock')], /there is no directory .*\/no\n/],
    [['--socket', join(directory, 'x'.repeat(120))], /longer than a socket's path may be/],
    [[`${file}.missing`], /cannot read the policy/],
  ];
  for (const [args, said] of cases) {
    await assert.rejects(startUi(t, [...args, '--db', db]), (error: Error) => {
      assert.match(error.message, /^it ended with 2: /);
      assert.match(error.message, said);
      assert.doesNotMatch(error.message, / {4}at /);
      return true;
    });
  }
  await assert.rejects(startUi(t, ['--db', join(directory, 'none.duckdb')]), /there is no database at/);
  const left = spawnSync('pgrep', ['-f', directory]);
  assert.equal(left.stdout.toString(), '');
});
