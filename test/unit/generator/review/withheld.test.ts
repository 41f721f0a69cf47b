import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fleetRecord } from '../../../../fleet/evidence/record.ts';
import { generatePolicy, type GenerateInput } from '../../../../generator/generate.ts';
import type { EvidenceKind } from '../../../../generator/layout.ts';
import {
  type DecisionKind,
  decidedOf,
  parseDecisions,
  printDecision,
} from '../../../../generator/review/decision.ts';
import { questionText } from '../../../../cli/report/review-text.ts';
import { groupItems, prepareRecord } from '../../../../generator/review/review.ts';
import { ReviewSession } from '../../../../generator/review/review-session.ts';
import { withheldItems } from '../../../../generator/review/withheld.ts';
import { parsePolicy } from '../../../../policy/file/parse.ts';
import { printPolicy } from '../../../../policy/file/print.ts';
import { aggregated, CURL, type Deed, madeHosts, PLAIN } from '../../fleet/fixture/made-fleet.ts';
import { observed, print } from '../fixture.ts';

const to = (address: string, port = 443): Deed => ({ subject: CURL, address, port });

/** Of four hosts two showed more than the others: the same, and one of its own each. */
function policyText(): string {
  const rows = aggregated([
    [to('10.0.0.1'), to('192.0.2.1'), to('192.0.2.2'), to('192.0.2.3', 80)],
    [to('10.0.0.1'), to('192.0.2.1')],
    [to('10.0.0.1')],
    [to('10.0.0.1')],
  ]);
  return textOf(fleetRecord(madeHosts(4), rows, { workload: 'web', minHosts: 3 }), 'line');
}

function textOf(record: GenerateInput, evidence: EvidenceKind): string {
  const { document } = generatePolicy(record, { ...PLAIN, evidence });
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

/** For whom all of it was withheld. */
const FROM = '{ exe: [/usr/bin/curl], user: [www-data] }';

const DESTINATIONS = [
  '192.0.2.2:443/tcp on web-0',
  '192.0.2.3:80/tcp on web-0',
  '192.0.2.1:443/tcp on web-0, web-1',
];

function decide(session: ReviewSession, destination: string, decision: DecisionKind): void {
  const decided = { rule: '/usr/bin/curl user www-data', destination, from: FROM };
  const unmatched = session.decide([{ ...decided, decision }]);
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

const namesIn = (text: string): string[] =>
  read(text).boxes.flatMap(({ to: { names = [] }, from }) => names.map((name) => `${name} ${from.host}`));

test('a name that was withheld is allowed by name, and denied by nothing, for deny rules know no names', () => {
  const named = { ...to('93.184.216.34'), name: 'api.example.com' };
  const rows = aggregated([[to('10.0.0.1'), named], [to('10.0.0.1')], [to('10.0.0.1')]]);
  const record = fleetRecord(madeHosts(3), rows, { workload: 'web', minHosts: 3 });
  const text = printPolicy(generatePolicy(record, { ...PLAIN, destinations: 'auto' }).document);
  const decided = (decision: DecisionKind): string => {
    const session = begin(text);
    decide(session, 'api.example.com:443/tcp on web-0', decision);
    assert.deepEqual(session.open, []);
    return session.text;
  };
  assert.deepEqual(namesIn(decided('allow')), ['api.example.com undefined']);
  assert.deepEqual(namesIn(decided('where-seen')), ['api.example.com web-0']);
  for (const decision of ['deny', 'ignore'] as const) {
    assert.match(decided(decision), /^# ignored: .*api\.example\.com/m);
    assert.deepEqual(read(decided(decision)).boxes, read(text).boxes);
  }
});

test('a name that was withheld is allowed for as long as its hosts needed it', () => {
  const named = { ...to('93.184.216.34'), name: 'api.example.com' };
  const short = { ...to('93.184.216.35'), name: 'www.example.com' };
  const rows = aggregated([
    [to('10.0.0.1'), short, { ...named, age: 9000 }],
    [to('10.0.0.1')],
    [to('10.0.0.1')],
  ]);
  const record = fleetRecord(madeHosts(3), rows, { workload: 'web', minHosts: 3 });
  const session = begin(printPolicy(generatePolicy(record, { ...PLAIN, destinations: 'auto' }).document));
  const facts = withheldItems(session.text).map(({ destination, facts }) => `${destination}: ${facts}`);
  assert.deepEqual(facts.toSorted(), [
    'api.example.com:443/tcp on web-0: 1 of 3 hosts, 10 events, keep 6h',
    'www.example.com:443/tcp on web-0: 1 of 3 hosts, 10 events',
  ]);
  decide(session, 'api.example.com:443/tcp on web-0', 'where-seen');
  decide(session, 'www.example.com:443/tcp on web-0', 'allow');
  const keeps = read(session.text).boxes.flatMap(({ to: { keep, names = [] } }) =>
    names.map((name) => [name, keep]),
  );
  assert.deepEqual(keeps, [
    ['www.example.com', 3600],
    ['api.example.com', 21_600],
  ]);
});

test('a decision for some hosts does not hold when others show the same', () => {
  const session = begin(policyText().replaceAll('["web-0"]', '["web-0","web-9"]'));
  const decision = { rule: '/usr/bin/curl user www-data', from: FROM, decision: 'where-seen' as const };
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
    text.replace('"from":{', '"from":{"toString":["x"],'),
    text.replace(/"from":\{.*?\}/, '"from":{}'),
    text.replace(/"from":\{.*?\}/, '"from":{"exe":[]}'),
  ];
  for (const each of broken) assert.throws(() => withheldItems(each), { code: 'policy' });
  // It can be read, and no rule can have it.
  const session = begin(text.replace('"/usr/bin/curl"]', '"curl"]'));
  const item = session.open.find(({ from }) => from === '{ exe: [curl], user: [www-data] }')!;
  assert.throws(() => session.decide([{ ...decidedOf(item), decision: 'allow' }]), { code: 'policy' });
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
  const session = begin(textOf(fleetRecord(hosts, rows, { workload: 'web', minHosts: 3 }), 'full'));
  assert.equal(session.open.length, 4);
  for (const item of session.open) session.decide([{ ...decidedOf(item), decision: 'where-seen' }]);
  const { boxes } = read(session.text);
  const said = boxes.filter(({ from }) => from.host);
  assert.equal(said.length, 4);
  for (const { from } of said)
    assert.deepEqual(from, { exe: [odd.exe], user: ['a-b.c'], host: ['we b"): { x: [1] }'] });
});

/** What a person would be asked about, were it a line of its own. */
const FORGED =
  '{"rule":"/usr/bin/curl user www-data","from":{"uid":[0]},"of":4,"shown":[{"by":["web-0"],"events":9,"to":["6.6.6.6:443/tcp"]}]}';

function assertNothingForged(text: string): void {
  assert.ok(text.includes('6.6.6.6'), 'what was recorded stands in the policy');
  assert.ok(!/^\s*# ?(?:withheld:|review: forged|known by forged)/m.test(text), text);
  assert.deepEqual(withheldItems(text), []);
}

test('no name of a program, host or address makes a line of its own in a policy', () => {
  for (const end of ['\n', '\r', '\u2028', '\u0085', '\n# ']) {
    const line = `${end}withheld: ${FORGED}${end}review: forged${end}known by forged`;
    assertNothingForged(
      print([observed({ count: 9 }), observed({ subject: { exe: `/tmp/x${line}`, command: 'x' } })]),
    );
    for (const evidence of ['line', 'full'] as const) {
      const options = { evidence, allowLoss: true };
      assertNothingForged(print([observed({ count: 9, names: [`a.example${line}`] })], options));
      const hosts = madeHosts(1, [{ id: 'x', name: `web-9${line}`, reason: 'hours' }]);
      const record = fleetRecord(hosts, aggregated([[to('10.0.0.1')]]), { workload: 'web', minHosts: 1 });
      assertNothingForged(textOf(record, evidence));
    }
  }
});

test('an answer holds for whom it was given alone, and who that is is said', () => {
  const text = policyText();
  const [item] = begin(text).open;
  assert.equal(item!.from, FROM);
  const kept = parseDecisions(printDecision({ ...decidedOf(item!), decision: 'allow' }), 'file');
  assert.deepEqual(begin(text).decide(kept), []);
  const wider = text.replaceAll('"exe":["/usr/bin/curl"],', '');
  assert.notEqual(wider, text);
  assert.equal(begin(wider).decide(kept).length, 1);
  // The same rule by name, for others: another question.
  const both = text.replace(
    /^# withheld: .*\n/m,
    (line) => line + line.replaceAll('"exe":["/usr/bin/curl"],', ''),
  );
  const groups = groupItems(begin(both).open);
  assert.equal(groups.length, 4);
  for (const group of groups) assert.equal(new Set(group.map(({ from }) => from)).size, 1);
  assert.ok(questionText({ items: groups[0]!, left: 1, all: 1 }).join('\n').includes(groups[0]![0]!.from!));
});
