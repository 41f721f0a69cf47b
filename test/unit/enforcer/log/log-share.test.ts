import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LogShare } from '../../../../enforcer/log/log-share.ts';
import type { VerdictEntry } from '../../../../enforcer/log/entry.ts';

function shared() {
  const lines: VerdictEntry[] = [];
  let now = 0;
  const share = new LogShare(
    (entry) => lines.push(entry),
    () => now,
  );
  return { lines, share, tick: (milliseconds: number) => void (now += milliseconds) };
}

const denial = (values: Partial<VerdictEntry> = {}): VerdictEntry => ({
  action: 'BLOCKED',
  address: '10.0.1.71',
  command: 'curl',
  exe: '/usr/bin/curl',
  hostname: 'host',
  pid: 4711,
  port: 80,
  uid: 1000,
  user: 'ada',
  protocol: 'tcp',
  policy: 'a319adda2ef2',
  ...values,
});

const total = (lines: readonly VerdictEntry[]): number =>
  lines.reduce((sum, { count = 1 }) => sum + count, 0);

test('denials of one user, however many, leave every line that another user needs', () => {
  const { lines, share } = shared();
  for (let port = 0; port < 50_000; port += 1) share.write('user 1000', denial({ port: port & 0xffff }));
  const flooded = lines.length;
  assert.ok(flooded <= 1000, String(flooded));
  for (let port = 0; port < 20; port += 1) share.write('user 0', denial({ uid: 0, user: 'root', port }));
  assert.equal(lines.length, flooded + 20);
});

test('what has no line of its own is in a count of its program', () => {
  const { lines, share } = shared();
  const hostile = { exe: '/home/ada/x' };
  for (let port = 0; port < 5000; port += 1) {
    share.write('user 1000', denial({ ...hostile, port, command: `name ${port}` }));
    share.write('user 1000', denial({ port, count: 3 }));
  }
  const single = lines.length;
  share.flush();
  assert.equal(total(lines), 20_000);
  const sums = lines.slice(single);
  assert.deepEqual(
    sums.map(({ exe }) => exe),
    ['/home/ada/x', '/usr/bin/curl'],
  );
  const { count: _, ...said } = sums[0]!;
  assert.deepEqual(said, {
    action: 'BLOCKED',
    uid: 1000,
    user: 'ada',
    policy: 'a319adda2ef2',
    ...hostile,
  });
});

test('names that differ each time take a bounded number of lines, and each denial is counted', () => {
  const { lines, share } = shared();
  for (let index = 0; index < 100_000; index += 1) {
    share.write('ids without an account', denial({ exe: `/tmp/${index}`, uid: 100_000 + index }));
  }
  share.flush();
  assert.equal(total(lines), 100_000);
  assert.ok(lines.length < 1100, String(lines.length));
});

test('payers that differ each time take a bounded amount of memory, and each denial is counted', () => {
  const { lines, share } = shared();
  for (let index = 0; index < 100_000; index += 1) share.write(`container ${index}`, denial());
  share.flush();
  assert.equal(total(lines), 100_000);
  assert.ok(lines.length < 2200, String(lines.length));
});

test('sums come every ten seconds, and lines come again with time', () => {
  const { lines, share, tick } = shared();
  for (let index = 0; index < 2000; index += 1) share.write('user 1000', denial());
  tick(5000);
  share.tick();
  assert.equal(lines.length, 1000);
  tick(5000);
  share.tick();
  assert.deepEqual([lines.length, lines.at(-1)!.count], [1001, 1000]);
  for (let index = 0; index < 2000; index += 1) share.write('user 1000', denial());
  assert.equal(lines.length, 1001 + 100);
  tick(3_600_000);
  share.flush();
  assert.equal(total(lines), 4000);
});

test('what is summed up does not wait for a clock that was set back', (t) => {
  const lines: VerdictEntry[] = [];
  const passed = t.mock.method(performance, 'now', () => 0);
  t.mock.method(Date, 'now', () => 1_800_000_000_000);
  const share = new LogShare((entry) => lines.push(entry));
  for (let time = 0; time < 5000; time += 1) share.write('user 1000', denial());
  const before = lines.length;
  t.mock.method(Date, 'now', () => 0);
  passed.mock.mockImplementation(() => 120_000);
  share.tick();
  assert.ok(lines.length > before);
});
