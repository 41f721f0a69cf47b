import assert from 'node:assert/strict';
import test from 'node:test';
import fc from '../../../arbitrary/fast-check.ts';
import { generatePolicy, type GenerateOptions } from '../../../../generator/generate.ts';
import { findSuperfluous } from '../../../../generator/prove.ts';
import { parsePrefix } from '../../../../policy/value/cidr.ts';
import { input, observation, observed, OPTIONS, START, unlessNoData } from '../fixture.ts';

const HOUR = 3_600_000_000;

test('subjects that do the same share a rule, and nobody gets what only others did', () => {
  const list = [...'abcda'].map((name, at) =>
    observed({ subject: { exe: `/opt/${name}` }, port: at === 4 ? 2 : 1 }),
  );
  const { boxes, document } = generatePolicy(input(list), OPTIONS);
  assert.deepEqual(boxes, { count: 2, atLeast: 2, apart: false });
  assert.deepEqual(
    document.allow!.map(({ from, name, to }) => [name, from!.exe, to![0]!.port]),
    [
      ['/opt/a uid 1000', ['/opt/a'], [1, 2]],
      ['/opt/b, /opt/c, /opt/d uid 1000', ['/opt/b', '/opt/c', '/opt/d'], [1]],
    ],
  );
});

test('a program that is marked shares no rule with one that is not, also where that takes more boxes', () => {
  const docker = { subject: { exe: '/usr/bin/dockerd' }, count: 50, last: START + 9 * HOUR };
  const runc = { ...docker, subject: { exe: '/usr/bin/runc' } };
  const rare = { ...docker, subject: { exe: '/usr/bin/rare' }, count: 1 };
  const installer = { ...docker, subject: { exe: '/tmp/x1/installer' } };
  const other = { ...docker, subject: { exe: '/tmp/x2/installer' } };
  const list = [docker, runc, rare, installer, other].map((each) => observed(each));
  const { boxes, document } = generatePolicy(input(list), OPTIONS);
  assert.deepEqual(boxes, { count: 3, atLeast: 3, apart: true });
  assert.match(
    document.header!,
    /^Boxes: 3, optimal with subjects apart that are marked for review \(certified\)$/m,
  );
  assert.deepEqual(
    document.allow!.map(({ comment, from }) => [from!.exe, /^review: /m.test(comment!)]),
    [
      [['/tmp/x1/installer', '/tmp/x2/installer'], true],
      [['/usr/bin/dockerd', '/usr/bin/runc'], false],
      [['/usr/bin/rare'], true],
    ],
  );
});

test('where as few boxes do, each subject has a rule of its own', () => {
  const list = [
    observed({ subject: { exe: '/usr/bin/a' }, address: 0x0a000001n, count: 9 }),
    observed({ subject: { exe: '/usr/bin/a' }, address: 0x0a000101n, count: 9 }),
    observed({ subject: { exe: '/usr/bin/b' }, address: 0x0a000001n, count: 9 }),
  ];
  const { boxes, document } = generatePolicy(input(list), OPTIONS);
  assert.equal(boxes!.count, 2);
  assert.deepEqual(
    document.allow!.map(({ from, to }) => [from!.exe, to!.length]),
    [
      [['/usr/bin/a'], 1],
      [['/usr/bin/b'], 1],
    ],
  );
});

test('a rule is about what --by names, and about the usual where that is not known', () => {
  const web = { inContainer: true, container: 'web-1', image: 'web:1', uid: 33 };
  const list = [observed({ subject: { unit: 'job.service' } }), observed({ subject: web })];
  const from = (by: NonNullable<GenerateOptions['by']>) =>
    generatePolicy(input(list), { ...OPTIONS, by }).document.allow!.map((rule) => rule.from);
  const curl = { exe: ['/usr/bin/curl'], uid: [1000] };
  assert.deepEqual(from('auto'), [curl, { container: ['web-1'], uid: [33] }]);
  assert.deepEqual(from('exe'), [curl, { exe: ['/usr/bin/curl'], image: ['web:1'], uid: [33] }]);
  assert.deepEqual(from('container'), [curl, { container: ['web-1'] }]);
  assert.deepEqual(from('image'), [curl, { image: ['web:1'], uid: [33] }]);
  assert.deepEqual(from('unit'), [
    { container: ['web-1'], uid: [33] },
    { unit: ['job.service'], uid: [1000] },
  ]);
  assert.deepEqual(from('uid'), [{ uid: [33, 1000] }]);
});

test('a container of an unknown runtime goes by a cgroup of its own, and never as the host', () => {
  const list = ['/boxes/one', '/', '/user.slice/session-3.scope', '/.../boxes/one'].map((cgroup, port) =>
    observed({ port, subject: { inContainer: true, uid: 0, cgroup } }),
  );
  const { document, omissions } = generatePolicy(input(list), OPTIONS);
  assert.deepEqual(
    document.allow!.map(({ from, name }) => [name, from]),
    [['cgroup /boxes/one uid 0', { cgroup: ['/boxes/one'], uid: [0] }]],
  );
  assert.deepEqual(
    omissions.map(({ reason, subject, observations }) => [reason, subject, observations.length]),
    [['unnamed subject', 'unknown container uid 0', 3]],
  );
});

test('two scripts of one interpreter are two subjects, unless the interpreter is asked for', () => {
  const list = [...'ab'].map((name, at) =>
    observed({ subject: { exe: '/usr/bin/python3.11', script: `/opt/${name}.py` }, port: at + 1 }),
  );
  const from = (by: NonNullable<GenerateOptions['by']>) =>
    generatePolicy(input(list), { ...OPTIONS, by }).document.allow!.map((rule) => rule.from);
  const python = { exe: ['/usr/bin/python3.11'], uid: [1000] };
  const scripts = [
    { ...python, script: ['/opt/a.py'] },
    { ...python, script: ['/opt/b.py'] },
  ];
  assert.deepEqual(from('auto'), scripts);
  assert.deepEqual(from('script'), scripts);
  assert.deepEqual(from('exe'), [python]);
});

test("each program of an image is a subject when programs are asked for, and none the host's of that path", () => {
  const inside = { inContainer: true, uid: 1000 };
  const subjects = [
    {},
    { ...inside, container: 'a', image: 'app:1' },
    { ...inside, container: 'b', image: 'app:1' },
    { ...inside, container: 'c', exe: '/bin/py', script: '/job.py' },
    { ...inside, cgroup: '/boxes/one' },
  ];
  const list = subjects.map((subject) => observed({ subject }));
  const rules = (by: NonNullable<GenerateOptions['by']>) =>
    generatePolicy(input(list), { ...OPTIONS, by }).document.allow!.map(({ from, name }) => [name, from]);
  const uid = [1000];
  assert.deepEqual(rules('exe'), [
    ['/usr/bin/curl uid 1000', { exe: ['/usr/bin/curl'], uid }],
    ['container c /bin/py uid 1000', { container: ['c'], exe: ['/bin/py'], uid }],
    ['image app:1 /usr/bin/curl uid 1000', { image: ['app:1'], exe: ['/usr/bin/curl'], uid }],
    ['cgroup /boxes/one uid 1000', { cgroup: ['/boxes/one'], uid }],
  ]);
  assert.deepEqual(rules('script').slice(1, 3), [
    ['container a, b uid 1000', { container: ['a', 'b'], uid }],
    [
      'container c /bin/py /job.py uid 1000',
      { container: ['c'], exe: ['/bin/py'], script: ['/job.py'], uid },
    ],
  ]);
});

test('no entry of a policy can go, whatever the record', () => {
  fc.assert(
    fc.property(fc.array(observation, { minLength: 1, maxLength: 40 }), (list) => {
      const generated = unlessNoData(() => generatePolicy(input(list), OPTIONS));
      if (generated === undefined) return;
      const { demands, lists, names, rules } = generated;
      const allowed = demands.flatMap((demand) => demand.observations);
      assert.deepEqual(findSuperfluous(rules, names, lists, allowed), []);
      assert.equal(new Set(names).size, names.length);
    }),
    { numRuns: 500 },
  );
});

test('an entry that nothing needs is found', () => {
  const { demands, lists, names, rules } = generatePolicy(
    input([observed(), observed({ port: 80 })]),
    OPTIONS,
  );
  const more = [[[...lists[0]![0]!, parsePrefix('192.0.2.0/24')!]]];
  const allowed = demands.flatMap((demand) => demand.observations);
  assert.deepEqual(findSuperfluous(rules, names, more, allowed), [
    'cidr 192.0.2.0/24 of /usr/bin/curl uid 1000',
  ]);
});
