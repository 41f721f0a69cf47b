import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test, type TestContext } from 'node:test';
import { ServiceNotice } from '../../../daemon/control/service-notice.ts';

/** Prints each datagram that comes, as a line of JSON: what stands for systemd. */
const MANAGER = `
import json, socket, sys
name = sys.argv[1]
manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.bind('\\0' + name[1:] if name.startswith('@') else name)
print('"ready"', flush=True)
while True:
    print(json.dumps(manager.recv(4096).decode()), flush=True)
`;

/** Returns what comes next, again and again. */
async function manager(t: TestContext, path: string): Promise<() => Promise<string>> {
  const child = spawn('python3', ['-c', MANAGER, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill());
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<string> => JSON.parse((await lines.next()).value as string) as string;
  assert.equal(await next(), 'ready');
  return next;
}

for (const where of ['a path', 'a name in no file system']) {
  test(`the service manager hears at ${where} what is in force, and that this process lives`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'notice-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const path = where === 'a path' ? join(folder, 'notify') : `@bouheki-test-${process.pid}`;
    const next = await manager(t, path);
    const environment = { NOTIFY_SOCKET: path, WATCHDOG_USEC: '1000', WATCHDOG_PID: String(process.pid) };
    const notice = new ServiceNotice(environment);
    assert.deepEqual(environment, {}, 'what this process starts is not the service');
    notice.tick('Blocking by a');
    notice.ready('Blocking by b');
    assert.equal(await next(), 'READY=1\nSTATUS=Blocking by b', 'nothing before it is ready');
    notice.tick('Blocking by b');
    assert.equal(await next(), 'WATCHDOG=1');
    notice.tick('Blocking by c');
    assert.match(await next(), /^(WATCHDOG=1|STATUS=Blocking by c)$/);
    notice.stopping();
    let last = await next();
    while (last !== 'STOPPING=1') last = await next();
  });
}

test('a sign of life is sent twice in the time that is given, and only by the process that is asked', async (t) => {
  const path = `@bouheki-test-${process.pid}-2`;
  const next = await manager(t, path);
  const slow = new ServiceNotice({ NOTIFY_SOCKET: path, WATCHDOG_USEC: '60000000' });
  slow.ready('a');
  slow.tick('a');
  slow.tick('a');
  slow.stopping();
  assert.deepEqual(
    [await next(), await next(), await next()],
    ['READY=1\nSTATUS=a', 'WATCHDOG=1', 'STOPPING=1'],
  );
  const other = new ServiceNotice({ NOTIFY_SOCKET: path, WATCHDOG_USEC: '1', WATCHDOG_PID: '1' });
  other.ready('b');
  other.tick('b');
  other.stopping();
  assert.deepEqual([await next(), await next()], ['READY=1\nSTATUS=b', 'STOPPING=1']);
});

test('without a service manager, or with one that is gone, nothing happens', () => {
  for (const environment of [{}, { NOTIFY_SOCKET: '' }, { NOTIFY_SOCKET: '/nowhere/notify' }]) {
    const notice = new ServiceNotice(environment);
    notice.ready('a');
    notice.tick('b');
    notice.stopping();
  }
});
