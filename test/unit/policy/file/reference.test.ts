import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAddress } from '../../../../policy/value/address.ts';
import { diffPolicies } from '../../../../policy/analysis/diff.ts';
import { evaluate } from '../../../../policy/meaning/evaluate.ts';
import { parsePolicy } from '../../../../policy/file/parse.ts';
import type { Flow } from '../../../../policy/meaning/policy.ts';
import { upgradePolicy } from '../../../../policy/file/edit/upgrade.ts';

/** The configurations that the documents of version 1 print, with the outcomes that they state. */
const CONTAINER = `network:
  # Block or monitor the network.
  # If block is specified, communication that matches the policy will be blocked.
  mode: block
  # Restriction to the whole host or to a container
  # If a container is specified, only the container's communication will be restricted.
  # This is determined by the value of namespace
  target: container
  cidr:
    allow:
      - 10.0.1.1/24
    deny:
      - 10.0.1.71/32
`;
const COMMAND = `network:
  mode: block
  target: host
  cidr:
    allow:
      - 0.0.0.0/0
    deny:
      - 93.184.216.34/32
  command:
    allow:
      - 'wget'
    deny:
      - 'curl'
log:
  format: json
`;
const UID = `network:
  mode: block
  target: host
  cidr:
    allow:
      - 0.0.0.0/0
    deny: []
  uid:
    allow:
      - 0
    deny:
      - 1000
log:
  format: json
`;
const README = `# block.yaml
network:
  # monitor or block
  mode: block
  # host or container
  target: host
  allow:
    - 10.0.1.1/24
    - 127.0.0.1/24
  # Override "allow" list with exceptions
  deny: # []
    - 10.0.1.10/32
`;

const flow = (address: string, rest: Partial<Flow> = {}): Flow => ({
  command: 'curl',
  uid: 1000,
  euid: 1000,
  gid: 1000,
  egid: 1000,
  inContainer: false,
  address: parseAddress(address)!,
  port: 80,
  protocol: 6,
  ...rest,
});

const CASES: { name: string; source: string; outcomes: [Flow, 'allow' | 'deny'][] }[] = [
  {
    name: 'containers only',
    source: CONTAINER,
    outcomes: [
      [flow('10.0.1.1', { inContainer: true }), 'allow'],
      [flow('10.0.1.71', { inContainer: true }), 'deny'],
      [flow('10.0.2.1', { inContainer: true }), 'deny'],
      [flow('10.0.1.71'), 'allow'],
    ],
  },
  {
    name: 'a command that is exempt',
    source: COMMAND,
    outcomes: [
      [flow('93.184.216.34', { command: 'curl' }), 'deny'],
      [flow('93.184.216.34', { command: 'wget' }), 'allow'],
      [flow('10.0.0.1', { command: 'curl' }), 'deny'],
      [flow('10.0.0.1', { command: 'wget' }), 'allow'],
      [flow('10.0.0.1', { command: 'nc' }), 'deny'],
    ],
  },
  {
    name: 'uid 0 only',
    source: UID,
    outcomes: [
      [flow('93.184.216.34'), 'deny'],
      [flow('93.184.216.34', { uid: 0, euid: 0 }), 'allow'],
      [flow('93.184.216.34', { uid: 0, euid: 1000 }), 'deny'],
    ],
  },
  {
    name: 'the older spelling',
    source: README,
    outcomes: [
      [flow('10.0.1.1', { port: 443 }), 'allow'],
      [flow('10.0.1.10', { port: 443 }), 'deny'],
      [flow('93.184.216.34', { port: 443 }), 'deny'],
      [flow('127.0.0.1'), 'allow'],
    ],
  },
];

for (const { name, source, outcomes } of CASES) {
  test(`the documented policy with ${name} has its documented outcomes`, () => {
    const { policy } = parsePolicy(source, 'reference.yaml');
    assert.ok(policy);
    assert.equal(policy.version, 1);
    assert.equal(policy.mode, 'block');
    for (const [each, action] of outcomes) assert.equal(evaluate(policy, each).action, action);
  });

  test(`the upgrade of the documented policy with ${name} means the same and keeps the comments`, () => {
    const upgraded = upgradePolicy(source);
    const before = parsePolicy(source, 'reference.yaml').policy!;
    const after = parsePolicy(upgraded, 'upgraded.yaml').policy;
    assert.ok(after, upgraded);
    assert.equal(after.version, 2);
    assert.deepEqual(diffPolicies(before, after), { gained: [], lost: [] });
    for (const [each, action] of outcomes) assert.equal(evaluate(after, each).action, action);
    for (const comment of source.match(/# .*/g) ?? []) assert.ok(upgraded.includes(comment), upgraded);
  });
}
