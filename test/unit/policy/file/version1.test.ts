import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from '../../../arbitrary/fast-check.ts';
import { parseAddress } from '../../../../policy/value/address.ts';
import { containsAddress, parsePrefix } from '../../../../policy/value/cidr.ts';
import { diffPolicies } from '../../../../policy/analysis/diff.ts';
import { evaluate } from '../../../../policy/meaning/evaluate.ts';
import { parsePolicy } from '../../../../policy/file/parse.ts';
import type { Flow } from '../../../../policy/meaning/policy.ts';
import { SOCKET_KINDS } from '../../../../policy/value/socket-kind.ts';
import { upgradePolicy } from '../../../../policy/file/edit/upgrade.ts';

interface Lists<T> {
  allow?: T[];
  deny?: T[];
}

interface Legacy {
  cidr: Lists<string>;
  command: Lists<string>;
  uid: Lists<number>;
  gid: Lists<number>;
}

const lists = <T>(values: readonly T[]): fc.Arbitrary<Lists<T>> =>
  fc.record(
    {
      allow: fc.uniqueArray(fc.constantFrom(...values), { maxLength: 2 }),
      deny: fc.uniqueArray(fc.constantFrom(...values), { maxLength: 2 }),
    },
    { requiredKeys: [], noNullPrototype: true },
  );

const legacy: fc.Arbitrary<Legacy> = fc.record({
  cidr: lists(['10.0.0.0/8', '10.0.0.0/24', '10.0.0.1/32', '192.0.2.0/24', 'fd00::/8']),
  command: lists(['curl', 'wget', 'nc']),
  uid: lists([0, 1000]),
  gid: lists([0, 1000]),
});

const legacyFlow: fc.Arbitrary<Flow> = fc
  .record({
    command: fc.constantFrom('curl', 'wget', 'nc', 'ssh'),
    uid: fc.constantFrom(0, 1000, 7),
    gid: fc.constantFrom(0, 1000, 7),
    address: fc.constantFrom(
      '10.0.0.1',
      '10.0.0.2',
      '10.9.9.9',
      '192.0.2.1',
      '8.8.8.8',
      'fd00::1',
      '2001:db8::1',
    ),
  })
  .map(({ command, uid, gid, address }) => ({
    command,
    uid,
    euid: uid,
    gid,
    egid: gid,
    inContainer: false,
    address: parseAddress(address)!,
    port: 80,
    protocol: 6,
  }));

function passes<T>({ allow, deny }: Lists<T>, value: T): boolean {
  return (!allow || allow.length === 0 || allow.includes(value)) && !deny?.includes(value);
}

/** Version 1 word for word as it is documented, without boxes. */
function documented({ cidr, command, uid, gid }: Legacy, flow: Flow): boolean {
  const inCidr = (texts: string[]) => texts.some((text) => containsAddress(parsePrefix(text)!, flow.address));
  const exempt =
    command.allow?.includes(flow.command) || uid.allow?.includes(flow.uid) || gid.allow?.includes(flow.gid);
  const allowed = !cidr.allow || inCidr(cidr.allow);
  const denied = inCidr(cidr.deny ?? []);
  return (
    ((allowed && !denied) || (denied && exempt === true)) &&
    passes(command, flow.command) &&
    passes(uid, flow.uid) &&
    passes(gid, flow.gid)
  );
}

const sourceOf = ({ cidr, ...rest }: Legacy, bare: boolean) =>
  JSON.stringify({ network: { mode: 'block', ...(bare ? cidr : { cidr }), ...rest } });

test('version 1 compiles to what its documents say, in both spellings', () => {
  fc.assert(
    fc.property(
      legacy,
      fc.boolean(),
      fc.array(legacyFlow, { minLength: 20, maxLength: 20 }),
      (each, bare, flows) => {
        const { policy, problems } = parsePolicy(sourceOf(each, bare), 'legacy.yaml');
        assert.ok(policy, JSON.stringify(problems));
        for (const flow of flows) {
          assert.equal(evaluate(policy, flow).action === 'allow', documented(each, flow));
        }
      },
    ),
    { numRuns: 3000 },
  );
});

test('an upgrade never changes the meaning of a version 1 file', () => {
  fc.assert(
    fc.property(legacy, fc.boolean(), (each, bare) => {
      const source = sourceOf(each, bare);
      const upgraded = upgradePolicy(source);
      const after = parsePolicy(upgraded, 'upgraded.yaml');
      assert.ok(after.policy, `${upgraded}${JSON.stringify(after.problems)}`);
      assert.equal(after.policy.version, 2);
      const before = parsePolicy(source, 'legacy.yaml').policy!;
      assert.deepEqual(diffPolicies(before, after.policy), { gained: [], lost: [] }, upgraded);
    }),
    { numRuns: 1000 },
  );
});

test('the exemption is never silent: its subjects are named', () => {
  const source = `network:
  cidr: { deny: [192.0.2.0/24] }
  command: { allow: [wget, curl] }
  uid: { allow: [7] }
`;
  const { problems } = parsePolicy(source, 'legacy.yaml');
  assert.equal(problems.length, 1);
  assert.match(problems[0]!.message, /command wget, curl and uid 7/);
  assert.deepEqual([problems[0]!.line, problems[0]!.column], [2, 17]);
});

test('gid.allow restricts, which it did not in the original', () => {
  const { policy } = parsePolicy('network: { gid: { allow: [7] } }', 'legacy.yaml');
  assert.deepEqual(policy?.boxes[0], { action: 'allow', name: 'allow', from: { gid: [7] }, to: {} });
});

test('mode and target default to monitor and host, and log levels have their older spellings', () => {
  const source = 'network: {}\nlog: { level: WARNING, output: stdout, labels: { shard: 7 } }';
  const { policy } = parsePolicy(source, 'legacy.yaml');
  assert.deepEqual(policy, {
    version: 1,
    mode: 'monitor',
    target: 'host',
    boxes: [
      { action: 'allow', name: 'allow', from: {}, to: {} },
      { action: 'allow', name: 'sockets', from: {}, to: { sockets: [...SOCKET_KINDS] } },
    ],
    log: { format: 'json', level: 'warn', labels: { shard: '7' } },
  });
});

test('an upgrade of a policy without any list still allows everything', () => {
  const upgraded = upgradePolicy('network:\n  mode: block # careful\n');
  const after = parsePolicy(upgraded, 'upgraded.yaml').policy;
  assert.ok(after, upgraded);
  assert.deepEqual(diffPolicies(parsePolicy('network: { mode: block }', '').policy!, after), {
    gained: [],
    lost: [],
  });
  assert.match(upgraded, /# careful/);
});

test('an upgrade keeps line ends with CRLF', () => {
  const source = 'network:\r\n  mode: block # for real\r\n  command: { allow: [wget] }\r\n';
  const upgraded = upgradePolicy(source);
  assert.doesNotMatch(upgraded, /[^\r]\n|\r\r/);
  assert.equal(upgraded.replaceAll('\r', ''), upgradePolicy(source.replaceAll('\r', '')));
});
