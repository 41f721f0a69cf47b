/** A rule with `until` holds before that moment, and matches nothing from then on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatEnd, parseEnd } from '../../../../format/moment.ts';
import { formatChange } from '../../../../policy/analysis/change.ts';
import { diffPolicies } from '../../../../policy/analysis/diff.ts';
import { explainFlow } from '../../../../policy/analysis/explain.ts';
import { lintPolicy } from '../../../../policy/analysis/lint.ts';
import { portable } from '../../../../policy/export/portable.ts';
import { appendRules } from '../../../../policy/file/edit/append.ts';
import { parsePolicy } from '../../../../policy/file/parse.ts';
import { printPolicy } from '../../../../policy/file/print.ts';
import { policyAt, ruleEnds } from '../../../../policy/meaning/end.ts';
import { evaluate } from '../../../../policy/meaning/evaluate.ts';
import { compileEvaluator } from '../../../../policy/meaning/evaluator.ts';
import type { Flow, Policy } from '../../../../policy/meaning/policy.ts';
import { PLAIN } from '../../../arbitrary/flow.ts';
import { parseAddress } from '../../../../policy/value/address.ts';
import { documentOf } from '../../../arbitrary/document-of.ts';

const END = Date.parse('2026-12-31T18:00:00Z') * 1000;

function policyOf(rules: string): Policy {
  const { policy, problems } = parsePolicy(`version: 2\nnetwork: { mode: block, ${rules} }`, 'test');
  assert(policy, problems.map(({ message }) => message).join('\n'));
  return policy;
}

function problemsOf(rules: string): string[] {
  return parsePolicy(`version: 2\nnetwork: { ${rules} }`, 'test').problems.map(
    ({ message, path }) => `${path}: ${message}`,
  );
}

const ENDING = policyOf(
  'allow: [{ name: visit, until: "2026-12-31T18:00:00Z", to: [{ cidr: [10.0.0.0/8] }], sockets: [raw] }]',
);

test('an end is a time of RFC 3339 with its zone, or a date, whose end in UTC is meant', () => {
  assert.equal(parseEnd('2026-12-31T18:00:00Z'), END);
  assert.equal(parseEnd('2026-12-31 19:30:00+01:30'), END);
  assert.equal(parseEnd('2026-12-31T18:00:00.25Z'), END + 250_000);
  assert.equal(parseEnd('2026-12-30'), Date.parse('2026-12-31T00:00:00Z') * 1000);
  for (const wrong of [
    '2026-12-31T18:00:00',
    '2026-12-31T18:00Z',
    '2026-02-30',
    '24h',
    '1h ago',
    '2026-12-31Z',
    '',
  ])
    assert.equal(parseEnd(wrong), undefined, wrong);
  assert.equal(formatEnd(END), '2026-12-31T18:00:00Z');
  assert.equal(formatEnd(END + 250_000), '2026-12-31T18:00:00.250Z');
});

test('a rule holds before its end, and no more from then on', () => {
  for (const judge of [(flow: Flow) => evaluate(ENDING, flow), compileEvaluator(ENDING)]) {
    assert.deepEqual(judge({ ...PLAIN, at: END - 1 }), { action: 'allow', box: 0 });
    assert.deepEqual(judge({ ...PLAIN, at: END }), { action: 'deny' });
    assert.deepEqual(judge({ ...PLAIN, socket: 'raw', at: END - 1 }), { action: 'allow', box: 1 });
    assert.deepEqual(judge({ ...PLAIN, socket: 'raw', at: END + 1 }), { action: 'deny' });
    assert.deepEqual(judge({ ...PLAIN, intent: true, at: END }), { action: 'deny' });
  }
});

test('where it is not known when a connection is made, a rule that ends allows nothing', () => {
  assert.deepEqual(evaluate(ENDING, PLAIN), { action: 'deny' });
});

test('the policy of a moment has the rules that hold then, without their end', () => {
  assert.deepEqual(evaluate(policyAt(ENDING, END - 1), PLAIN), { action: 'allow', box: 0 });
  assert.deepEqual(policyAt(ENDING, END).boxes, []);
  assert.deepEqual(ruleEnds(ENDING), [{ rule: 'visit', until: END }]);
});

test('a text that is no moment is refused, and so is a deny that would end', () => {
  assert.deepEqual(problemsOf('allow: [{ until: tomorrow }]'), [
    'network.allow[0].until: "tomorrow" is no moment at which a rule could end',
  ]);
  assert.deepEqual(problemsOf('allow: [], deny: [{ until: 2026-12-31 }]'), [
    'network.deny[0].until: a deny rule cannot end by itself: what it denies would be open then, when nobody looks',
  ]);
  assert.equal(problemsOf('allow: [{ until: 5 }]').length, 1);
});

test('what is printed reads the same', () => {
  const text = printPolicy(documentOf(ENDING));
  assert.match(text, /until: "2026-12-31T18:00:00Z"/);
  assert.deepEqual(parsePolicy(text, 'test').policy!.boxes, ENDING.boxes);
});

test('rules of one name and subject with different ends stay two', () => {
  const two = policyOf(
    'allow: [{ name: a, until: 2026-12-31, to: [{ port: [1] }] }, { name: a, to: [{ port: [2] }] }]',
  );
  assert.deepEqual(parsePolicy(printPolicy(documentOf(two)), 'test').policy!.boxes, two.boxes);
});

test('what is added goes to no rule that ends', () => {
  const text =
    'version: 2\nnetwork:\n  allow:\n    - until: 2026-12-31\n      from: { uid: [7] }\n      to:\n        - { port: [1] }\n';
  const added = appendRules(text, 'allow', [{ from: { uid: [7] }, to: [{ port: [2] }] }]);
  const { policy } = parsePolicy(added, 'test');
  assert.deepEqual(
    policy!.boxes.map(({ to, until }) => [to.ports![0]!.first, until !== undefined]),
    [
      [1, true],
      [2, false],
    ],
  );
});

const subsumed = (rules: string) =>
  lintPolicy(policyOf(rules)).flatMap(({ box, kind }) => (kind === 'subsumed' ? box : []));

test('a rule that ends covers no rule that lasts longer', () => {
  const to = 'to: [{ cidr: [10.0.0.0/8] }]';
  assert.deepEqual(subsumed(`allow: [{ until: 2026-12-31, ${to} }, { ${to} }]`), [0]);
  assert.deepEqual(subsumed(`allow: [{ until: 2026-12-31, ${to} }, { until: 2027-01-01, ${to} }]`), [0]);
});

test('a rule that has ended is remarked upon, and nothing counts on it', () => {
  const policy = policyOf(
    'allow: [{ name: old, until: 2026-12-30, to: [{ cidr: [loopback] }, { cidr: [10.0.0.1], port: [1] }] }]',
  );
  const at = (now: number) => lintPolicy(policy, [], undefined, now).map(({ box, kind }) => [kind, box]);
  assert.deepEqual(at(END - 86_400_000_000), []);
  assert.deepEqual(at(END), [
    ['ended', 0],
    ['nothing-allowed', undefined],
  ]);
});

test('two policies are compared at every moment', () => {
  const lasting = policyOf('allow: [{ to: [{ cidr: [10.0.0.0/8] }], sockets: [raw] }]');
  const { gained, lost } = diffPolicies(lasting, ENDING);
  assert.deepEqual(gained, []);
  assert.deepEqual(lost.map(formatChange).sort(), [
    'anything -> 10.0.0.0/8, from 2026-12-31T18:00:00Z on',
    'anything -> raw sockets, from 2026-12-31T18:00:00Z on',
  ]);
  const none = diffPolicies(policyOf('allow: []'), ENDING);
  assert.equal(formatChange(none.gained[0]!), 'anything -> 10.0.0.0/8, until 2026-12-31T18:00:00Z');
  assert.deepEqual(diffPolicies(ENDING, ENDING), { gained: [], lost: [] });
});

test('an explanation says when a rule ends, and that it has', () => {
  assert.equal(
    explainFlow(ENDING, { ...PLAIN, at: END - 1 }).reason,
    'allow rule "visit" matches, which ends by itself at 2026-12-31T18:00:00Z',
  );
  const { fix, nearest, reason } = explainFlow(ENDING, { ...PLAIN, at: END });
  assert.equal(reason, 'no allow rule matches');
  assert.deepEqual(nearest, { box: 0, mismatches: [], ended: true });
  assert.equal(fix, 'give rule "visit" a later until: it ended at 2026-12-31T18:00:00Z');
  const other = explainFlow(ENDING, { ...PLAIN, address: parseAddress('192.0.2.1')!, at: END });
  assert.match(other.fix!, /^add under network.allow/);
});

test('enforcers that know no end are not given the rule', () => {
  const { notes, rules } = portable(ENDING, {
    deny: true,
    from: [],
    monitor: true,
    names: true,
    ports: true,
  });
  assert.deepEqual(rules, []);
  assert.deepEqual(
    notes.map(({ effect }) => effect),
    ['narrower'],
  );
});
