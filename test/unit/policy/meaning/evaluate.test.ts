import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from '../../../arbitrary/fast-check.ts';
import { parseAddress } from '../../../../policy/value/address.ts';
import { evaluate, matchesBox, normalizeFlow } from '../../../../policy/meaning/evaluate.ts';
import { compileEvaluator } from '../../../../policy/meaning/evaluator.ts';
import { lintPolicy } from '../../../../policy/analysis/lint.ts';
import { parsePolicy } from '../../../../policy/file/parse.ts';
import type { Flow, Policy } from '../../../../policy/meaning/policy.ts';
import { flow, policy } from '../arbitrary.ts';

const read = (source: string): Policy => {
  const parsed = parsePolicy(source, 'test.yaml');
  assert.ok(parsed.policy, JSON.stringify(parsed.problems));
  return parsed.policy;
};

const to = (address: string, rest: Partial<Flow> = {}): Flow => ({
  command: 'curl',
  uid: 1000,
  euid: 1000,
  gid: 1000,
  egid: 1000,
  inContainer: false,
  address: parseAddress(address)!,
  port: 443,
  protocol: 6,
  ...rest,
});

test('a deny that matches never loses', () => {
  fc.assert(
    fc.property(policy, flow, (each, connection) => {
      const normal = normalizeFlow(connection);
      const judged = each.target === 'host' || connection.inContainer;
      const denied = each.boxes.some((box) => box.action === 'deny' && matchesBox(box, normal));
      if (denied && judged) assert.equal(evaluate(each, connection).action, 'deny');
    }),
    { numRuns: 5000 },
  );
});

test('the compiled evaluator gives the verdicts of the reference', () => {
  let allowed = 0;
  fc.assert(
    fc.property(policy, fc.array(flow, { minLength: 100, maxLength: 100 }), (each, connections) => {
      const compiled = compileEvaluator(each);
      for (const connection of connections) {
        const verdict = evaluate(each, connection);
        if (verdict.action === 'allow') allowed++;
        assert.deepEqual(compiled(connection), verdict);
      }
    }),
    { numRuns: 300 },
  );
  assert.ok(allowed > 1000, `only ${allowed} flows were allowed: the generators miss`);
});

test('a rule that lint calls unreachable or subsumed can go without a change of verdict', () => {
  let removed = 0;
  fc.assert(
    fc.property(policy, fc.array(flow, { minLength: 50, maxLength: 50 }), (each, connections) => {
      const findings = lintPolicy(each).filter(({ kind }) => kind === 'unreachable' || kind === 'subsumed');
      for (const { box } of findings) {
        removed++;
        const rest = { ...each, boxes: each.boxes.toSpliced(box!, 1) };
        for (const connection of connections) {
          assert.equal(evaluate(rest, connection).action, evaluate(each, connection).action);
        }
      }
    }),
    { numRuns: 800 },
  );
  assert.ok(removed > 20, `lint found only ${removed} rules to remove: the generators miss`);
});

test('an allow needs the real and the effective id, a deny one of them', () => {
  const allow = read('version: 2\nnetwork: { allow: [{ from: { uid: [1000] } }] }');
  assert.equal(evaluate(allow, to('10.0.0.1')).action, 'allow');
  assert.equal(evaluate(allow, to('10.0.0.1', { euid: 0 })).action, 'deny');
  assert.equal(evaluate(allow, to('10.0.0.1', { uid: 0 })).action, 'deny');
  const deny = read('version: 2\nnetwork: { deny: [{ from: { gid: [0] } }], allow: [{}] }');
  assert.equal(evaluate(deny, to('10.0.0.1')).action, 'allow');
  assert.deepEqual(evaluate(deny, to('10.0.0.1', { egid: 0 })), { action: 'deny', box: 0 });
  assert.deepEqual(evaluate(deny, to('10.0.0.1', { gid: 0 })), { action: 'deny', box: 0 });
});

test('0.0.0.0 and :: are this host', () => {
  const loopback = read('version: 2\nnetwork: { allow: [{ to: [{ cidr: [loopback] }] }] }');
  assert.equal(evaluate(loopback, to('0.0.0.0')).action, 'allow');
  assert.equal(evaluate(loopback, to('::')).action, 'allow');
  assert.equal(evaluate(loopback, to('::ffff:0.0.0.0')).action, 'allow');
  assert.equal(evaluate(loopback, to('0.0.0.1')).action, 'deny');
});

test('a rule with ports matches no protocol without ports', () => {
  const every = read('version: 2\nnetwork: { allow: [{ to: [{ port: ["0-65535"] }] }] }');
  for (const protocol of [6, 17, 33, 132, 136]) {
    assert.equal(evaluate(every, to('10.0.0.1', { protocol })).action, 'allow');
  }
  for (const protocol of [1, 58, 47]) {
    assert.equal(evaluate(every, to('10.0.0.1', { protocol, port: 0 })).action, 'deny');
  }
});

test('commands are compared on their first 15 bytes, also where that cuts a character', () => {
  const long = read(
    'version: 2\nnetwork: { allow: [{ from: { command: [systemd-resolved-helper, "ääääääää*"] } }] }',
  );
  assert.equal(evaluate(long, to('10.0.0.1', { command: 'systemd-resolve' })).action, 'allow');
  assert.equal(evaluate(long, to('10.0.0.1', { command: 'systemd-resolved' })).action, 'allow');
  assert.equal(evaluate(long, to('10.0.0.1', { command: 'systemd-resolv' })).action, 'deny');
  const kernel = Buffer.from('ääääääää').subarray(0, 15).toString();
  assert.equal(evaluate(long, to('10.0.0.1', { command: kernel })).action, 'allow');
});

test('names that are not known match no list, not even *', () => {
  const any = read('version: 2\nnetwork: { allow: [{ from: { container: ["*"] } }] }');
  assert.equal(evaluate(any, to('10.0.0.1')).action, 'deny');
  assert.equal(evaluate(any, to('10.0.0.1', { container: 'web' })).action, 'allow');
});

/** A policy for one executable, or a pattern of them. */
function allowing(exe: string): Policy {
  return read(`version: 2\nnetwork: { allow: [{ from: { exe: ["${exe}"] } }] }`);
}

test('a * in a path of a file stands for text within one step', () => {
  const allows = (pattern: string, exe: string) =>
    evaluate(allowing(pattern), to('10.0.0.1', { exe })).action === 'allow';
  for (const [pattern, exe] of [
    ['/snap/aws-cli/*/bin/aws', '/snap/aws-cli/345/bin/aws'],
    ['/nix/store/*-curl-8*/bin/curl', '/nix/store/abc-curl-8.1.2/bin/curl'],
    ['/opt/a*b/x', '/opt/ab/x'],
    ['/opt/[a]?*/x', '/opt/[a]?1/x'],
    ['/opt/*/x', '/opt/.hidden/x'],
  ] as const)
    assert.ok(allows(pattern, exe), `${pattern} ${exe}`);
  for (const [pattern, exe] of [
    ['/snap/aws-cli/*/bin/aws', '/snap/aws-cli/345/x/bin/aws'],
    ['/snap/aws-cli/*/bin/aws', '/snap/aws-cli/bin/aws'],
    ['/opt/*', '/opt/a/b'],
    ['/opt/[ab]*/x', '/opt/a1/x'],
    ['/opt/a*', '/opt/a1 (deleted)'],
    ['/*', '/memfd:a'],
    ['/opt/*/x', '/opt/\ufffd/x'],
  ] as const)
    assert.ok(!allows(pattern, exe), `${pattern} ${exe}`);
  const inside = to('10.0.0.1', { exe: '/opt/1/x', inContainer: true });
  assert.equal(evaluate(allowing('/opt/*/x'), inside).action, 'deny');
});

test('a user by name is every id with that name, and an id without a name is nobody', () => {
  const accounts = {
    namesOf: (_: string, id: number) => (id === 0 ? ['root', 'toor'] : id === 7 ? ['ada'] : []),
  };
  const as = (uid: number, euid = uid) => to('10.0.0.1', { uid, euid, accounts });
  const allow = read('version: 2\nnetwork: { allow: [{ from: { user: [toor, bob] } }] }');
  assert.equal(evaluate(allow, as(0)).action, 'allow');
  for (const flow of [as(7), as(0, 7), as(8), to('10.0.0.1', { uid: 0, euid: 0 })])
    assert.equal(evaluate(allow, flow).action, 'deny');
  const deny = read('version: 2\nnetwork: { deny: [{ from: { group: [ada] } }], allow: [{}] }');
  const groups = (others: number[]) => to('10.0.0.1', { gid: 8, egid: 8, groups: others, accounts });
  assert.equal(evaluate(deny, groups([0])).action, 'allow');
  assert.equal(evaluate(deny, groups([0, 7])).action, 'deny');
});

test('with target container, processes outside containers are not judged', () => {
  const nothing = read('version: 2\nnetwork: { target: container, allow: [] }');
  assert.deepEqual(evaluate(nothing, to('10.0.0.1')), { action: 'allow' });
  assert.deepEqual(evaluate(nothing, to('10.0.0.1', { inContainer: true })), { action: 'deny' });
});

test('the verdict for an IPv4 address is that for its mapped form', () => {
  fc.assert(
    fc.property(policy, flow, fc.ipV4(), (each, connection, address) => {
      const plain = { ...connection, address: parseAddress(address)! };
      const mapped = { ...connection, address: parseAddress(`::ffff:${address}`)! };
      assert.deepEqual(evaluate(each, plain), evaluate(each, mapped));
    }),
  );
});

const BY_NAME = read(`version: 2
names: { keep: 10m }
network:
  mode: block
  deny:
    - { name: closed, to: [{ cidr: [8.8.8.0/24] }] }
  allow:
    - name: web
      to: [{ name: [api.example.com, "*.cdn.example.com"], port: [443], protocol: [tcp] }]
    - name: database
      to: [{ name: [db.corp.example], cidr: [10.0.0.0/8, public], port: [5432], keep: forever }]
`);

const named = (address: string, names: readonly (readonly [string, number])[], rest: Partial<Flow> = {}) =>
  to(address, { names: names.map(([name, age]) => ({ name, age })), ...rest });
const verdictOf = (connection: Flow): string => {
  const verdict = evaluate(BY_NAME, connection);
  assert.deepEqual(compileEvaluator(BY_NAME)(connection), verdict);
  return verdict.box === undefined ? verdict.action : BY_NAME.boxes[verdict.box]!.name;
};

test('a rule by name matches where one of the names that the address is known by does', () => {
  assert.equal(verdictOf(named('1.1.1.1', [['api.example.com', 0]])), 'web');
  assert.equal(verdictOf(named('2a00::1', [['a.b.cdn.example.com', -30]])), 'web');
  const several: [string, number][] = [
    ['other.example', 0],
    ['api.example.com', 5],
  ];
  assert.equal(verdictOf(named('1.1.1.1', several)), 'web');
  assert.equal(verdictOf(named('1.1.1.1', several, { intent: true, port: 9, protocol: 17 })), 'web');
});

test('a rule by name matches no address without a name, of another name, or on another port', () => {
  assert.equal(verdictOf(to('1.1.1.1')), 'deny');
  assert.equal(verdictOf(named('1.1.1.1', [])), 'deny');
  assert.equal(verdictOf(to('1.1.1.1', { intent: true })), 'deny');
  for (const name of [
    'cdn.example.com',
    'xcdn.example.com',
    'api.example.com.evil.example',
    'API.example.com',
  ]) {
    assert.equal(verdictOf(named('1.1.1.1', [[name, 0]])), 'deny', name);
  }
  assert.equal(verdictOf(named('1.1.1.1', [['api.example.com', 0]], { port: 80 })), 'deny');
  assert.equal(verdictOf(named('1.1.1.1', [['api.example.com', 0]], { protocol: 17 })), 'deny');
});

test('a name counts until keep is over, each for itself', () => {
  assert.equal(verdictOf(named('1.1.1.1', [['api.example.com', 600]])), 'web');
  assert.equal(verdictOf(named('1.1.1.1', [['api.example.com', 601]])), 'deny');
  const stale: [string, number][] = [
    ['api.example.com', 601],
    ['other.example', 0],
  ];
  assert.equal(verdictOf(named('1.1.1.1', stale)), 'deny');
  assert.equal(verdictOf(named('1.1.1.1', [['db.corp.example', 1e9]], { port: 5432 })), 'database');
});

test('a name that means an address which is not public gives nothing, unless the rule names it by cidr', () => {
  for (const address of [
    '169.254.169.254',
    '10.0.0.5',
    '127.0.0.1',
    '0.0.0.0',
    'fd00:ec2::254',
    '64:ff9b::a00:5',
  ]) {
    assert.equal(verdictOf(named(address, [['api.example.com', 0]])), 'deny', address);
    assert.equal(verdictOf(named(address, [['api.example.com', 0]], { intent: true })), 'deny', address);
  }
  assert.equal(verdictOf(named('10.0.0.5', [['db.corp.example', 0]], { port: 5432 })), 'database');
  assert.equal(verdictOf(named('1.1.1.1', [['db.corp.example', 0]], { port: 5432 })), 'database');
  assert.equal(verdictOf(named('192.168.0.5', [['db.corp.example', 0]], { port: 5432 })), 'deny');
});

test('a deny by address wins over an allow by name', () => {
  assert.equal(verdictOf(named('8.8.8.8', [['api.example.com', 0]])), 'closed');
});
