import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from '../../../arbitrary/fast-check.ts';
import { formatChange } from '../../../../policy/analysis/change.ts';
import { diffPolicies, widens } from '../../../../policy/analysis/diff.ts';
import { evaluate } from '../../../../policy/meaning/evaluate.ts';
import { parsePolicy } from '../../../../policy/file/parse.ts';
import type { Policy } from '../../../../policy/meaning/policy.ts';
import { printPolicy } from '../../../../policy/file/print.ts';
import { flow, policy } from '../arbitrary.ts';
import { documentOf } from '../../../arbitrary/document-of.ts';

const read = (source: string): Policy => {
  const parsed = parsePolicy(source, 'test.yaml');
  assert.ok(parsed.policy, JSON.stringify(parsed.problems));
  return parsed.policy;
};

/** What has the name or the image of a container is in one: a difference says nothing of others. */
const possible = flow.map((each) =>
  Object.assign(each, { inContainer: each.inContainer || (each.container ?? each.image) !== undefined }),
);

const network = (rest: string) => read(`version: 2\nnetwork:\n  mode: block\n${rest}`);

test('a policy differs from its own print in nothing', () => {
  fc.assert(
    fc.property(policy, (original) => {
      const difference = diffPolicies(original, read(printPolicy(documentOf(original))));
      assert.deepEqual(difference, { gained: [], lost: [] });
    }),
    { numRuns: 300 },
  );
});

test('what becomes of a policy when bouheki ends is a difference, and release widens', () => {
  const keep = network('  on_exit: keep\n  allow: []\n');
  const release = network('  on_exit: release\n  allow: []\n');
  const silent = network('  allow: []\n');
  assert.deepEqual(diffPolicies(release, silent), { gained: [], lost: [] });
  const looser = diffPolicies(keep, silent);
  assert.deepEqual(looser.onExit, { before: 'keep', after: 'release' });
  assert.ok(widens(looser));
  assert.ok(!widens(diffPolicies(silent, keep)));
});

test('a policy with its rules in another order differs in nothing', () => {
  fc.assert(
    fc.property(policy, (original) => {
      const boxes = [
        ...original.boxes.filter((box) => box.action === 'deny').reverse(),
        ...original.boxes.filter((box) => box.action === 'allow').reverse(),
      ];
      assert.deepEqual(diffPolicies(original, { ...original, boxes }), { gained: [], lost: [] });
    }),
    { numRuns: 300 },
  );
});

test('where nothing is gained and nothing is lost, no connection is judged differently', () => {
  fc.assert(
    fc.property(
      policy,
      policy,
      fc.array(possible, { minLength: 20, maxLength: 20 }),
      (before, after, flows) => {
        const difference = diffPolicies(before, after);
        for (const each of flows) {
          const was = evaluate(before, each).action;
          const is = evaluate(after, each).action;
          if (was === 'deny' && is === 'allow') assert.notDeepEqual(difference.gained, []);
          if (was === 'allow' && is === 'deny') assert.notDeepEqual(difference.lost, []);
        }
      },
    ),
    { numRuns: 40 },
  );
});

test('two spellings of the same policy differ in nothing', () => {
  const one = network(`  allow:
    - name: a
      from: { command: [curl, wget] }
      to: [{ cidr: [10.0.0.0/25, 10.0.0.128/25], port: ["80-81"], protocol: [tcp] }]
    - { from: { uid: [7] }, to: [{ cidr: [10.1.0.0/16], except: [10.1.0.0/17] }] }
`);
  const other = network(`  allow:
    - { from: { uid: [7] }, to: [{ cidr: ["::ffff:10.1.128.0/113"] }] }
    - { from: { command: [wget] }, to: [{ cidr: [10.0.0.0/24], port: [80, 81], protocol: [tcp] }] }
    - from: { command: [curl] }
      to: [{ cidr: [10.0.0.0/24], port: [80], protocol: [6] }, { cidr: [10.0.0.0/24], port: [81], protocol: [6] }]
`);
  assert.deepEqual(diffPolicies(one, other), { gained: [], lost: [] });
});

test('what is gained and lost is said by subject, prefix, port and protocol', () => {
  const before = network(`  allow:
    - { from: { command: [curl] }, to: [{ cidr: [10.0.0.0/24], port: [80], protocol: [tcp] }] }
`);
  const after = network(`  deny:
    - { to: [{ cidr: [10.0.0.128/25] }] }
  allow:
    - { from: { command: [curl, wget] }, to: [{ cidr: [10.0.0.0/24], port: [80], protocol: [tcp] }] }
`);
  const { gained, lost } = diffPolicies(before, after);
  assert.deepEqual(gained.map(formatChange), ['command wget -> 10.0.0.0/25 port 80 protocol tcp']);
  assert.deepEqual(lost.map(formatChange), ['command curl -> 10.0.0.128/25 port 80 protocol tcp']);
});

test('a glob that grows gains what it did not match', () => {
  const before = network('  allow: [{ from: { container: ["web-1*"] } }]\n');
  const after = network('  allow: [{ from: { container: ["web-*"] } }]\n');
  const { gained, lost } = diffPolicies(before, after);
  assert.deepEqual(gained.map(formatChange), ['container web-* (in part) -> anywhere']);
  assert.deepEqual(lost, []);
});

test('0.0.0.0 is no destination, so 0.0.0.0/0 and ::/0 together are everywhere', () => {
  const difference = diffPolicies(
    network('  allow: [{ to: [{ cidr: [0.0.0.0/0, "::/0"] }] }]\n'),
    network('  allow: [{}]\n'),
  );
  assert.deepEqual(difference, { gained: [], lost: [] });
});

test('judging containers only widens what processes outside them may do', () => {
  const host = network('  allow: [{ to: [{ cidr: [10.0.0.0/8] }] }]\n');
  const { gained, lost } = diffPolicies(host, { ...host, target: 'container' });
  assert.deepEqual(gained.map(formatChange), [
    'outside containers -> raw packet other source-route sockets',
    'outside containers -> other than 10.0.0.0/8',
  ]);
  assert.deepEqual(lost, []);
});

test('a change from block to monitor widens, though the rules are the same', () => {
  const block = network('  allow: []\n');
  const monitor: Policy = { ...block, mode: 'monitor' };
  assert.equal(widens(diffPolicies(block, monitor)), true);
  assert.equal(widens(diffPolicies(monitor, block)), false);
  assert.deepEqual(diffPolicies(block, monitor).mode, { before: 'block', after: 'monitor' });
});

test('a denied uid is lost as real and as effective id', () => {
  const { lost } = diffPolicies(
    network('  allow: [{}]\n'),
    network('  deny: [{ from: { uid: [0] } }]\n  allow: [{}]\n'),
  );
  assert.deepEqual(lost.map(formatChange), ['uid 0 -> anywhere', 'euid 0 -> anywhere']);
});

test('a rule for a container is one line, and names no process outside of containers', () => {
  const docker = `    - from: { exe: [/usr/bin/dockerd], uid: [0] }
      to: [{ cidr: [192.0.2.7], port: [443], protocol: [tcp] }]
`;
  const before = network(`  allow:\n${docker}`);
  const after = network(
    `  allow:\n${docker}${docker.replace('exe: [/usr/bin/dockerd]', 'container: [web]')}`,
  );
  const { gained, lost } = diffPolicies(before, after);
  assert.deepEqual(lost, []);
  assert.deepEqual(gained.map(formatChange), ['container web, uid 0 -> 192.0.2.7/32 port 443 protocol tcp']);
});

const namedRule = (text: string, names = '') =>
  read(
    `version: 2\n${names}network:\n  mode: block\n  allow:\n    - { from: { uid: [7] }, to: [${text}] }\n`,
  );
const gainedBy = (before: Policy, after: Policy) => diffPolicies(before, after).gained.map(formatChange);

test('what names gain or lose is told by name, by how long they count, and by the addresses that they may mean', () => {
  const one = namedRule('{ name: [a.example], port: [443], protocol: [tcp] }');
  const more = namedRule('{ name: ["*.a.example", a.example], port: [443], protocol: [tcp] }');
  assert.deepEqual(gainedBy(one, more), [
    'uid 7 -> public name *.a.example port 443 protocol tcp keep to 1h',
  ]);
  assert.deepEqual(gainedBy(more, one), []);
  const longer = namedRule('{ name: [a.example], port: [443], protocol: [tcp], keep: 24h }');
  assert.deepEqual(gainedBy(one, longer), [
    'uid 7 -> public name a.example port 443 protocol tcp keep 1h to 1d',
  ]);
  const forever = namedRule(
    '{ name: [a.example], port: [443], protocol: [tcp] }',
    'names: { keep: forever }\n',
  );
  assert.deepEqual(gainedBy(longer, forever), [
    'uid 7 -> public name a.example port 443 protocol tcp keep 1d and longer',
  ]);
  const inside = namedRule('{ name: [a.example], cidr: [public, 10.0.0.0/8], port: [443], protocol: [tcp] }');
  assert.deepEqual(gainedBy(one, inside), [
    'uid 7 -> 10.0.0.0/8 name a.example port 443 protocol tcp keep to 1h',
  ]);
  const anything = namedRule('{ cidr: [public], port: [443], protocol: [tcp] }');
  assert.deepEqual(gainedBy(anything, one), [], 'a name beside addresses only narrows');
  assert.equal(diffPolicies(one, anything).gained.length > 0, true);
});
