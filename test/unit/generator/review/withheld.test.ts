import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fleetRecord } from '../../../../fleet/evidence/record.ts';
import { generatePolicy } from '../../../../generator/generate.ts';
import type { DecisionKind } from '../../../../generator/review/decision.ts';
import { prepareRecord } from '../../../../generator/review/review.ts';
import { ReviewSession } from '../../../../generator/review/review-session.ts';
import { withheldItems } from '../../../../generator/review/withheld.ts';
import { parsePolicy } from '../../../../policy/file/parse.ts';
import { printPolicy } from '../../../../policy/file/print.ts';
import { aggregated, CURL, type Deed, madeHosts } from '../../fleet/fixture/made-fleet.ts';

const to = (address: string, port = 443): Deed => ({ subject: CURL, address, port });

/** Of four hosts two showed more than the others: the same, and one of its own each. */
function policyText(): string {
  const rows = aggregated([
    [to('10.0.0.1'), to('192.0.2.1'), to('192.0.2.2'), to('192.0.2.3', 80)],
    [to('10.0.0.1'), to('192.0.2.1')],
    [to('10.0.0.1')],
    [to('10.0.0.1')],
  ]);
  const record = fleetRecord(madeHosts(4), rows, { workload: 'web', minHosts: 3 });
  const { document } = generatePolicy(record, {
    mode: 'monitor',
    target: 'host',
    deny: [],
    allowLoss: false,
    includeDenied: false,
    version: '0',
    evidence: 'line',
  });
  return printPolicy(document);
}

function read(text: string) {
  const { policy, problems } = parsePolicy(text, 'policy.yaml');
  assert.ok(policy, JSON.stringify(problems));
  return policy;
}

function begin(text: string): ReviewSession {
  return new ReviewSession({ text, policy: read(text), record: prepareRecord([]) });
}

const DESTINATIONS = [
  '192.0.2.2:443/tcp on web-0',
  '192.0.2.3:80/tcp on web-0',
  '192.0.2.1:443/tcp on web-0, web-1',
];

function decide(session: ReviewSession, destination: string, decision: DecisionKind): void {
  const unmatched = session.decide([{ rule: '/usr/bin/curl user www-data', destination, decision }]);
  assert.deepEqual(unmatched, []);
}

test('what too few hosts showed is asked about without a record', () => {
  const { open } = begin(policyText());
  assert.deepEqual(open.map(({ destination }) => destination).toSorted(), DESTINATIONS.toSorted());
  assert.deepEqual([...new Set(open.flatMap(({ reasons }) => reasons))].toSorted(), [
    'withheld: shown by 1 of 4 hosts: web-0',
    'withheld: shown by 2 of 4 hosts: web-0, web-1',
  ]);
});

test('each decision changes the policy by what it says, and the destination is withheld no more', () => {
  const session = begin(policyText());
  decide(session, DESTINATIONS[0]!, 'allow');
  decide(session, DESTINATIONS[1]!, 'deny');
  decide(session, DESTINATIONS[2]!, 'where-seen');
  assert.deepEqual(session.open, []);
  assert.ok(!session.text.includes('# withheld'), session.text);
  const { boxes } = read(session.text);
  const said = boxes
    .filter(({ name }) => name.includes('curl'))
    .map(({ action, from, to: { ports, prefixes } }) => [
      action,
      from.host ?? 'all',
      prefixes?.map(({ value }) => Number(value & 255n)),
      ports?.[0]?.first,
    ]);
  assert.deepEqual(said, [
    ['deny', 'all', [3], 80],
    ['allow', 'all', [1], 443],
    ['allow', 'all', [2], 443],
    ['allow', ['web-0', 'web-1'], [1], 443],
  ]);
  assert.ok(session.undo());
  assert.equal(session.open.length, 1);
});

test('what is ignored is allowed nowhere, and kept in mind', () => {
  const text = policyText();
  const session = begin(text);
  for (const destination of DESTINATIONS) decide(session, destination, 'ignore');
  assert.deepEqual(read(session.text).boxes, read(text).boxes);
  assert.match(session.text, /^# ignored: .*192\.0\.2\.3/m);
  assert.deepEqual(session.open, []);
});

test('a decision for some hosts does not hold when others show the same', () => {
  const session = begin(policyText().replaceAll('["web-0"]', '["web-0","web-9"]'));
  const decision = { rule: '/usr/bin/curl user www-data', decision: 'where-seen' as const };
  const unmatched = session.decide([{ ...decision, destination: DESTINATIONS[0]! }]);
  assert.equal(unmatched.length, 1);
});

test('what was withheld can neither be narrowed nor widened, and nothing else is allowed where seen', () => {
  const session = begin(policyText());
  assert.throws(() => decide(session, DESTINATIONS[0]!, 'narrow'), { code: 'usage' });
  assert.equal(session.open.length, 3);
});

test('a line that was edited into nonsense is refused', () => {
  const text = policyText();
  const broken = [
    text.replace('192.0.2.2:443/tcp', '192.0.2:443/tcp'),
    text.replace('# withheld: {', '# withheld: ['),
    text.replace('"events":', '"event":'),
    text.replace('"from":{', '"from":{"what":["x"],'),
  ];
  for (const each of broken) assert.throws(() => withheldItems(each), { code: 'policy' });
  // It can be read, and no rule can have it.
  const session = begin(text.replace('"/usr/bin/curl"]', '"curl"]'));
  assert.throws(() => decide(session, DESTINATIONS[0]!, 'allow'), { code: 'policy' });
});

test('hosts, users and destinations with odd names stay what they are', () => {
  const hosts = madeHosts(2);
  hosts.counted[1]!.name = 'we b"): { x: [1] }';
  const odd = { ...CURL, user: 'a-b.c', exe: '/opt/my prog): { }/x' };
  const rows = aggregated([
    [to('10.0.0.1')],
    [to('10.0.0.1'), { subject: odd, address: '10.9.9.9', port: 1 }],
  ]);
  rows.push({
    ...rows[1]!,
    address: Buffer.from('fd000000000000000000000000000001', 'hex'),
    protocol: 58,
    port: 0,
  });
  rows.push({ ...rows[1]!, address: Buffer.from('fd000000000000000000000000000002', 'hex'), port: 53 });
  rows.push({ ...rows[1]!, address: Buffer.alloc(0), protocol: 0, port: 0, socket: 'raw' });
  const { document } = generatePolicy(fleetRecord(hosts, rows, { workload: 'web', minHosts: 3 }), {
    mode: 'monitor',
    target: 'host',
    deny: [],
    allowLoss: false,
    includeDenied: false,
    version: '0',
  });
  const session = begin(printPolicy(document));
  assert.equal(session.open.length, 4);
  for (const { destination, rule } of session.open)
    session.decide([{ rule, destination, decision: 'where-seen' }]);
  const { boxes } = read(session.text);
  const said = boxes.filter(({ from }) => from.host);
  assert.equal(said.length, 4);
  for (const { from } of said)
    assert.deepEqual(from, { exe: [odd.exe], user: ['a-b.c'], host: ['we b"): { x: [1] }'] });
});
