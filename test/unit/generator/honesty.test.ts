import assert from 'node:assert/strict';
import test from 'node:test';
import { generatePolicy } from '../../../generator/generate.ts';
import type { RecordedObservation } from '../../../profiler/read/read.ts';
import { input, observed, OPTIONS, print, START } from './fixture.ts';

test('what is rare or odd is kept and marked for review, with the reason', () => {
  const HOUR = 3_600_000_000;
  const list = [
    observed({ count: 9, last: START + 100 * HOUR }),
    observed({
      address: 0xcb007105n,
      count: 3,
      first: START + 95 * HOUR,
      last: START + 96 * HOUR,
      blocks: [0, 0, 0, 0, 0, 0, 0, 0, 0, 3],
    }),
    observed({ subject: { exe: '/tmp/x' }, count: 2 }),
    observed({ subject: { exe: '/usr/bin/y (deleted)' }, count: 2 }),
    observed({ subject: { exe: '/usr/bin/z' }, address: 0xa9fea9fen, count: 2 }),
  ];
  const text = print(list, { allowCommandRules: true });
  assert.match(text, /# review: first seen in the last tenth of the events: 203\.0\.113\.5:443\/tcp$/m);
  assert.match(text, /# review: public address without a neighbour in its \/24: 203\.0\.113\.5:443\/tcp$/m);
  assert.match(text, /# review: executable in \/tmp: 10\.0\.0\.1:443\/tcp$/m);
  assert.match(text, /# review: deleted executable: /);
  assert.match(
    text,
    /# review: metadata address, which hands out credentials: 169\.254\.169\.254:443\/tcp$/m,
  );
});

test('what was seen all the time for days is not marked for its address, and what began late still is', () => {
  const DAY = 24 * 3_600_000_000;
  const steady = Array.from({ length: 20 }, (_, at) =>
    observed({
      address: 0x08080808n + BigInt(at << 8),
      count: 370,
      last: START + 37 * DAY,
      blocks: [37, 37, 37, 37, 37, 37, 37, 37, 37, 37],
    }),
  );
  const late = observed({
    address: 0xcb007105n,
    count: 9,
    first: START + 36 * DAY,
    last: START + 37 * DAY,
    blocks: [0, 0, 0, 0, 0, 0, 0, 0, 0, 9],
  });
  const marks = print([...steady, late]).match(/# review: .*/g);
  assert.deepEqual(marks, [
    '# review: public address without a neighbour in its /24: 203.0.113.5:443/tcp',
    '# review: first seen in the last tenth of the events: 203.0.113.5:443/tcp',
  ]);
  assert.match(
    print(steady.map((each) => Object.assign(each, { last: START + DAY }))),
    /without a neighbour/,
  );
});

test('no rule says that most went to what it says was seen once', () => {
  const all = print([1n, 2n, 3n].map((at) => observed({ address: 0x0a000000n + at, count: 1 })));
  assert.match(all, /^ *# 3 events in [^,]*, \S+ \S+ to \S+ \S+$/m);
  assert.match(all, /# review: seen once: 10\.0\.0\.1:443\/tcp, /);
  // Marked for its place, so that both subjects share a rule.
  const shared = [1, 217].map((count, at) =>
    observed({ address: 0x0a000001n, count, subject: { exe: '/tmp/x', uid: at, gid: at } }),
  );
  assert.match(
    print(shared),
    /# 218 events [^#]*# review: executable in \/tmp: [^#]*# review: seen once by one of the subjects: 10\.0\.0\.1:443\/tcp$/m,
  );
});

test('no line of the header is longer than 160 characters', () => {
  const list = Array.from({ length: 9 }, (_, at) =>
    observed({
      address: 0xa9fea9fen,
      count: 5,
      subject: { exe: `/opt/a-vendor-with-a-long-name/agent-${at}/bin/agent-of-that-vendor` },
    }),
  );
  const { header } = generatePolicy(input(list), OPTIONS).document;
  const lines = header!.split('\n');
  assert.ok(
    lines.every((line) => line.length <= 160),
    header,
  );
  assert.match(header!.replaceAll('\n  ', ' '), /and 6 more subjects were seen at a cloud metadata address/);
});

test('the last fifth of the events is replayed against the rest', () => {
  const old = observed({ count: 90, blocks: [10, 10, 10, 10, 10, 10, 10, 10, 5, 5] });
  const late = observed({ port: 22, count: 10, blocks: [0, 0, 0, 0, 0, 0, 0, 0, 0, 10] });
  const { document, holdOut } = generatePolicy(input([old, late]), OPTIONS);
  assert.deepEqual(holdOut, {
    events: 20,
    denied: 10,
    ofNew: 0,
    subjects: [{ name: '/usr/bin/curl uid 1000', events: 20, denied: 10 }],
  });
  assert.match(document.header!, /it would deny 50 % of 20 events in the rest/);
});

test('of what the last fifth would be denied, the header says how much is of new subjects, and what may come', () => {
  const steady = observed({ count: 400, blocks: Array.from({ length: 10 }, () => 40) });
  const fresh = observed({
    subject: { exe: '/usr/bin/wget' },
    count: 20,
    blocks: [0, 0, 0, 0, 0, 0, 0, 0, 0, 20],
  });
  const { document, holdOut, outlook } = generatePolicy(input([steady, fresh]), OPTIONS);
  assert.deepEqual([holdOut.denied, holdOut.ofNew], [20, 20]);
  assert.match(
    document.header!,
    /it would deny 20 % of 100 events in the rest \(20 % of subjects that are new there\)/,
  );
  assert.match(
    document.header!,
    /^Ahead: up to 21 % of the next events may be new to it, up to 21 % because their subject is$/m,
  );
  assert.equal(outlook.newSubjects, 0.2 + 3 / 420);
});

test('jobs that come at equal distances are told, and what the window is too short for', () => {
  const list = [observed({ last: START + 72 * 3_600_000_000 })];
  const hours = [1, 25, 49].map((hour) => START / 3_600_000_000 + hour);
  const activity = [{ subject: list[0]!.subject, verdict: 'allow' as const, hours }];
  const { header } = generatePolicy(input(list, { activity }), OPTIONS).document;
  assert.match(header!, /^Window shorter than a week: weekly jobs may be missing\.$/m);
  assert.match(
    header!,
    /^Periodic: \/usr\/bin\/curl uid 1000 every 24 hours, 3 times; the window holds few of its rounds\.$/m,
  );
});

test('hours that lie years from the rest are told, and neither window nor periods go by them', () => {
  const HOUR = 3_600_000_000;
  const begin = START / HOUR;
  const daily = Array.from({ length: 9 }, (_, day) => begin + day * 24);
  for (const stray of [0, Date.parse('2036-11-21') / 3_600_000]) {
    const hours = [...daily, stray].toSorted((a, b) => a - b);
    const list = [observed({ count: 10, first: hours[0]! * HOUR, last: hours.at(-1)! * HOUR })];
    const activity = [{ subject: list[0]!.subject, verdict: 'allow' as const, hours }];
    const { document, window } = generatePolicy(input(list, { activity }), OPTIONS);
    const { header } = document;
    assert.match(header!, /^Window: 2026-11-21 00:00:00Z to 2026-11-29 00:/m);
    assert.match(header!, /^Clock: 1 hour with events at .*Z, [\d,]{5,} days from the rest: /m);
    assert.match(header!, /^Periodic: \/usr\/bin\/curl uid 1000 every 24 hours, 9 times/m);
    assert.ok(window.length < 9 * 24 * HOUR);
  }
});

test('what two stretches of a record leave out between them is no distance and no time', () => {
  const HOUR = 3_600_000_000;
  const begin = START / HOUR;
  const daily = [0, 1, 2, 3].map((day) => begin + day * 24);
  const hours = [...daily, ...daily.map((hour) => hour + 60 * 24)];
  const list = [observed({ count: 8, last: hours.at(-1)! * HOUR })];
  const activity = [{ subject: list[0]!.subject, verdict: 'allow' as const, hours }];
  const { header } = generatePolicy(input(list, { activity }), OPTIONS).document;
  assert.match(header!, /^Window shorter than a week: weekly jobs may be missing\.$/m);
  assert.match(header!, /every 24 hours, 8 times/);
  assert.doesNotMatch(header!, /^Clock: /m);
});

test('events of a day are in no more than 24 hours, whichever clock hours they touch', () => {
  const HOUR = 3_600_000_000;
  const first = START + HOUR / 2;
  const day = [observed({ count: 3124, first, last: first + 24 * HOUR - 1, hours: 25 })];
  const hours = Array.from({ length: 25 }, (_, hour) => START / HOUR + hour);
  const activity = [{ subject: day[0]!.subject, verdict: 'allow' as const, hours }];
  const { document } = generatePolicy(input(day, { activity }), OPTIONS);
  assert.match(document.allow![0]!.comment!, /^3,124 events in 24 hours, /);
});

test('an hour that has begun counts: 168 events, each an hour after the last, are in 168 hours', () => {
  const HOUR = 3_600_000_000;
  const hours = Array.from({ length: 168 }, (_, hour) => START / HOUR + hour);
  const week = [observed({ count: 168, last: START + 167 * HOUR, hours: 168 })];
  const activity = [{ subject: week[0]!.subject, verdict: 'allow' as const, hours }];
  const { document } = generatePolicy(input(week, { activity }), OPTIONS);
  assert.match(document.allow![0]!.comment!, /^168 events in 168 hours, /);
});

function at(exe: string): RecordedObservation {
  return observed({ count: 9, subject: { exe } });
}

function pod(container: string, low: bigint, image = 'reg/shop/web:1'): RecordedObservation {
  return observed({ address: low, subject: { container, inContainer: true, image } });
}

test('a path that the next update changes is marked, with the part that does', () => {
  const patterns: [string, string][] = [
    ['/snap/firefox/5917/usr/lib/firefox/firefox', '/snap/firefox/current/usr/lib/firefox/firefox'],
    ['/tmp/.mount_ArchivSJ24T4/app', '/tmp/.mount_*/app'],
    [
      '/nix/store/f5xq5bvklh7ms02cxsba8xv9wqszwinw-evolution-3.56.2/bin/evolution',
      '/nix/store/*-evolution*/bin/evolution',
    ],
    ['/home/u/.nvm/versions/node/v20.19.1/bin/node', '/home/u/.nvm/versions/node/*/bin/node'],
    ['/opt/idea-2026.1/bin/java', '/opt/idea-*/bin/java'],
    [`/home/u/.vscode-server/bin/${'0a'.repeat(20)}/node`, '/home/u/.vscode-server/bin/*/node'],
  ];
  for (const [exe, pattern] of patterns) {
    const text = print([at(exe)]);
    assert.ok(
      text.includes(`# review: path that an update changes, as in ${pattern}: 10.0.0.1:443/tcp`),
      text,
    );
  }
  const both = print([at('/snap/firefox/5917/firefox'), at('/snap/firefox/6001/firefox')]);
  assert.equal(both.match(/as in \/snap\/firefox\/current\/firefox/g)?.length, 1);
  for (const exe of [
    '/usr/bin/python3.11',
    '/usr/lib/python3.11/x',
    '/usr/lib/x86_64-linux-gnu/x',
    '/opt/v2/x',
  ])
    assert.doesNotMatch(print([at(exe)]), /update changes/);
});

test('pods that a Deployment names anew are known by their image, and the reason is said', () => {
  const pods = ['fd46cb62f-f665d', 'd5bcdb2b2-65556', 'cbd6f2525-545f4'].map((end) => `shop/web-${end}`);
  const text = print(pods.flatMap((name) => [pod(name, 0x0a000514n), pod(name, 0x0a000515n)]));
  assert.match(text, /from: \{ uid: \[1000\], image: \[["]?reg\/shop\/web:1["]?\] \}/);
  assert.match(text, /# by image: a name such as shop\/web-[a-z0-9-]+ is made up anew for each pod$/m);
  assert.doesNotMatch(text, /container: /);
  assert.equal(text.match(/name: "?image /g)?.length, 1, text);
});

test('whatever makes the name of a container up anew, it is known by its image', () => {
  const once = [
    'shop/agent-x7k2p',
    'shop/report-29384756-bcdfg',
    'shop/migrate-0-x7k2p',
    'web.2.k0p4b1n9z8x7c6v5b4n3m2l1k',
    'cache-5f3c1a52-77aa-2c1e-0a1f-1c2d3e4f5a6b',
    'ecs-web-7-app-b2c4d6e8f0a2c4e6f8a0',
    'shop-web-run-0a1b2c3d4e5f',
  ];
  for (const name of once) {
    const text = print([pod(name, 1n)]);
    assert.match(text, /image: \["?reg\/shop\/web:1"?\]/, name);
    assert.doesNotMatch(text, /container: /, name);
  }
});

test('a word that only the other pods of a DaemonSet show to be made up is known as such', () => {
  const [one, other] = [pod('shop/agent-bcdfg', 1n), pod('shop/agent-kqzwx', 2n)];
  const text = print([one, other]);
  assert.match(text, /# by image: a name such as shop\/agent-/);
  assert.doesNotMatch(text, /container: /);
  // Alone, or of another image, it may be a word that somebody chose.
  assert.match(print([one]), /container: \[shop\/agent-bcdfg\]/);
  assert.match(print([one, pod('shop/agent-kqzwx', 2n, 'reg/shop/other:1')]), /container: /);
});

test('a name that the next container has too stays, as those of a StatefulSet do', () => {
  const names = [
    'shop/web-frontend',
    'shop/db-0',
    'shop/web-https',
    'shop-web-1',
    'shop/web-25565',
    'db-mysql8',
  ];
  for (const name of names) assert.match(print([pod(name, 1n)]), /container: /, name);
});

test('a name that is made up anew makes a rule only where the image is not known, and that is marked', () => {
  const text = print([pod('shop/web-fd46cb62f-f665d', 1n, '')]);
  assert.match(text, /container: /);
  assert.match(
    text,
    /# review: container whose name no later one will have, shop\/web-fd46cb62f-f665d, of an unknown image: /,
  );
});

test('a program in /tmp shares no rule with one that goes to the same place, and has its mark alone', () => {
  const docker = { count: 50, subject: { exe: '/usr/bin/dockerd', uid: 0, gid: 0 } };
  const text = print([
    observed({ ...docker, address: 0x6810_0a22n }),
    observed({ ...docker, address: 0x6810_0b22n }),
    observed({ address: 0x6810_0a22n, subject: { exe: '/tmp/x1/installer', uid: 0, gid: 0 } }),
  ]);
  assert.equal(text.match(/- name: /g)?.length, 2 + 1);
  const rules = text.split('- name: ');
  const above = (name: string) => rules[rules.findIndex((rule) => rule.startsWith(name)) - 1]!;
  assert.match(above('/tmp/x1/installer uid 0'), /# review: executable in \/tmp\/x1: /);
  assert.doesNotMatch(above('/usr/bin/dockerd uid 0'), /executable in|seen once/);
});
