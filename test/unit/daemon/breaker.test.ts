import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeOpened, openedPolicy, refusal } from '../../../daemon/control/opened.ts';
import type { ReadPolicy } from '../../../daemon/control/switch-parts.ts';
import { Breaker, type TrippedSubject } from '../../../daemon/denial/breaker.ts';
import { parsePolicy } from '../../../policy/file/parse.ts';
import type { Denial } from '../../../profiler/record/denial.ts';
import { policyOf } from '../generator/fixture.ts';

type Image = NonNullable<Denial['image']>;

function denialOf(image: Partial<Image> | undefined, rest: Partial<Denial> = {}): Denial {
  return {
    image: image && ({ path: '/usr/bin/curl', inContainer: false, ...image } as Image),
    command: 'curl',
    inContainer: false,
    pid: 7,
    count: 1,
    uid: 1000,
    user: undefined,
    destination: { family: 4, value: 1n, port: 80 },
    socket: undefined,
    protocol: 6,
    blocked: true,
    box: undefined,
    generation: 1,
    ...rest,
  };
}

/** What a breaker opens, and a clock in seconds. */
function breakerOf(limit: number | undefined) {
  const clock = { now: 1000 };
  const opened: TrippedSubject[] = [];
  const breaker = new Breaker(limit, () => clock.now);
  breaker.open = (subject) => opened.push(subject);
  return { breaker, clock, opened };
}

test('a subject is opened by the first denial above the limit within a minute, once a minute at the most', () => {
  const { breaker, clock, opened } = breakerOf(3);
  const denial = denialOf({ unit: 'web.service' });
  for (let time = 0; time < 3; time += 1) breaker.add(denial);
  assert.deepEqual(opened, []);
  breaker.add(denial);
  const from = { exe: ['/usr/bin/curl'], uid: [1000], unit: ['web.service'] };
  assert.deepEqual(opened, [{ name: '/usr/bin/curl, uid 1000, web.service', from }]);
  for (let time = 0; time < 300; time += 1) breaker.add(denial);
  assert.equal(opened.length, 1, 'once a minute, whatever becomes of it');
  // A minute later none of these counts any more.
  clock.now += 60;
  for (let time = 0; time < 3; time += 1) breaker.add(denial);
  assert.equal(opened.length, 1);
  breaker.add(denialOf({ unit: 'web.service' }, { count: 4 }));
  assert.equal(opened.length, 2, 'a folded denial counts as what it stands for');
});

test('a minute slides: what is spread over it counts together, to the second', () => {
  const { breaker, clock, opened } = breakerOf(60);
  for (let second = 0; second < 600; second += 1) {
    breaker.add(denialOf({}));
    clock.now += 1;
  }
  assert.deepEqual(opened, [], 'sixty a minute for ten minutes');
  breaker.add(denialOf({}, { count: 2 }));
  assert.equal(opened.length, 1);
});

test('program, script, user, container and unit are told apart, and each counts for itself', () => {
  const { breaker, opened } = breakerOf(1);
  const container = { id: 'a', name: 'web', known: true } as Image['container'] & object;
  const apart: Denial[] = [
    denialOf({}),
    denialOf({ path: '/usr/bin/wget' }),
    denialOf({ script: '/opt/job.py' }),
    denialOf({}, { uid: 1001 }),
    denialOf({ unit: 'a.service' }),
    denialOf({ container, inContainer: true }),
  ];
  for (const each of apart) breaker.add(each);
  assert.equal(opened.length, 0);
  for (const each of apart) breaker.add(each);
  assert.equal(new Set(opened.map(({ name }) => name)).size, apart.length);
  assert.deepEqual(opened.at(-1)!.from, { exe: ['/usr/bin/curl'], uid: [1000], container: ['web'] });
});

test('who cannot be named, was only monitored or is not asked about stays blocked', () => {
  const { breaker, opened } = breakerOf(1);
  const claimed = { id: 'a', name: 'web', known: false } as Image['container'] & object;
  for (const denial of [
    denialOf(undefined),
    denialOf({ path: '' }),
    denialOf({ path: '/tmp/*' }),
    denialOf({ path: '/tmp/a\nb' }),
    denialOf({ path: '/tmp/../b' }),
    denialOf({ unit: 'a*.service' }),
    denialOf({ script: 'job.py' }),
    denialOf({ inContainer: true }),
    denialOf({ inContainer: true, container: claimed }),
    denialOf({}, { blocked: false }),
  ])
    breaker.add({ ...denial, count: 1000 });
  assert.deepEqual(opened, []);
  const none = breakerOf(undefined);
  none.breaker.add(denialOf({}, { count: 1e9 }));
  assert.deepEqual(none.opened, []);
});

test('a subject that is opened is monitored first of all, and the policy before it is kept for rearm', () => {
  const text =
    'version: 2\nnetwork:\n  mode: block\n  modes: [{ name: all, from: {}, mode: block }]\n  allow: []\n';
  const closed: ReadPolicy = { policy: policyOf(text), hash: 'abc', file: '/policy.yaml' };
  const one: TrippedSubject = { name: 'one', from: { exe: ['/usr/bin/curl'], uid: [1000] } };
  const opened = openedPolicy(closed, one);
  const twice = openedPolicy(opened, { name: 'two', from: { exe: ['/usr/bin/wget'], uid: [0] } });
  assert.deepEqual(
    twice.policy.modes?.map(({ mode, name }) => `${mode} ${name}`),
    ['monitor breaker: two', 'monitor breaker: one', 'block all'],
  );
  assert.deepEqual(twice.opened?.names, ['one', 'two']);
  assert.equal(twice.opened?.closed, closed);
  assert.match(describeOpened(one), /^WARNING: .*`bouheki rearm`/);
  assert.equal(refusal(one, 7, false), undefined);
  assert.match(refusal(one, 8, false)!, /8 subjects are open already/);
  assert.match(refusal(one, 0, true)!, /waits/);
  // What it names is what a policy file can hold.
  const entry = JSON.stringify({
    version: 2,
    network: { modes: [{ from: one.from, mode: 'monitor' }], allow: [] },
  });
  assert.deepEqual(parsePolicy(entry, 'test').problems, []);
});
