import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  describeExemption,
  describePause,
  type Exemption,
  pausedPolicy,
} from '../../../daemon/control/pause.ts';
import { evaluate } from '../../../policy/meaning/evaluate.ts';
import type { Flow } from '../../../policy/meaning/policy.ts';
import { parseAddress } from '../../../policy/value/address.ts';
import { Accounts } from '../../../profiler/read/observation.ts';
import { PREFIX_GROUPS } from '../../../policy/value/prefix-group.ts';
import { policyOf } from '../generator/fixture.ts';

const POLICY = policyOf(`version: 2
network:
  mode: block
  deny: [{ name: never, to: [{ cidr: [10.0.0.9] }] }]
  allow: [{ name: web, from: { uid: [0] }, to: [{ cidr: [10.0.0.1] }] }]
`);

const allows = (exempt: Exemption, flow: Partial<Flow> & { to: string }): boolean => {
  const { to, ...rest } = flow;
  const subject = { command: 'apt', inContainer: false, exe: '/usr/bin/apt' };
  const ids = { uid: 1000, euid: rest.uid ?? 1000, gid: 1000, egid: 1000, accounts: new Accounts() };
  const whole: Flow = { ...subject, ...ids, address: parseAddress(to)!, port: 80, protocol: 6, ...rest };
  return evaluate(pausedPolicy(POLICY, exempt), whole).action === 'allow';
};

test('what matches all that is given is allowed, beside what was', () => {
  const exempt = { uid: 1000, exe: '/usr/bin/apt', to: '10.0.0.0/24' };
  assert.ok(allows(exempt, { to: '10.0.0.7' }));
  assert.ok(!allows(exempt, { to: '10.0.1.7' }));
  assert.ok(!allows(exempt, { to: '10.0.0.7', uid: 1001 }));
  assert.ok(!allows(exempt, { to: '10.0.0.7', exe: '/usr/bin/curl' }));
  assert.ok(allows(exempt, { to: '10.0.0.1', uid: 0 }));
  assert.ok(allows({ unit: 'apt-daily.service' }, { to: '192.0.2.1', unit: 'apt-daily.service' }));
});

test('what a deny rule denies stays denied, and for everybody the policy monitors', () => {
  assert.ok(!allows({ uid: 1000 }, { to: '10.0.0.9' }));
  const paused = pausedPolicy(POLICY, {});
  assert.deepEqual([paused.mode, paused.boxes], ['monitor', POLICY.boxes]);
});

const reaches = (to: string) => pausedPolicy(POLICY, { to }).boxes.at(-1)!.to;

test('a name is one, and addresses of both families are none', () => {
  assert.deepEqual(reaches('deb.example').names, ['deb.example']);
  for (const to of ['10.0.0.7', '10.0.0.0/8', '2001:db8::7', '::/0', ...PREFIX_GROUPS])
    assert.ok(reaches(to).names === undefined && reaches(to).prefixes!.length > 0, to);
});

test('what can not be exempt is said, with what is wrong', () => {
  for (const [exempt, message] of [
    [{ exe: 'apt' }, /^that cannot be exempt: .*path/i],
    [{ to: '10.0.0.0/33' }, /^that cannot be exempt: /],
    [{ to: '10.0.0.7 ' }, /^that cannot be exempt: /],
    [{ uid: -1 }, /^that cannot be exempt: /],
  ] as const)
    assert.throws(() => pausedPolicy(POLICY, exempt), { code: 'usage', message });
});

test('it is told who is exempt, for how long and why', () => {
  assert.equal(describeExemption({}), 'everybody');
  assert.equal(
    describeExemption({ uid: 0, exe: '/usr/bin/apt', to: '10.0.0.7' }),
    'uid 0 and exe /usr/bin/apt to 10.0.0.7',
  );
  assert.equal(describeExemption({ to: 'deb.example' }), 'everybody to deb.example');
  assert.match(
    describePause({ ask: 'pause', seconds: 600, exempt: { uid: 0 }, why: 'upgrade' }),
    /^Paused for 10m: uid 0 \(upgrade\)\. /,
  );
});
