import assert from 'node:assert/strict';
import test from 'node:test';
import type { ReviewItem } from '../../../../generator/review/review.ts';
import { flowOf } from '../../../../generator/subject/flow.ts';
import { evaluate } from '../../../../policy/meaning/evaluate.ts';
import { parsePrefix } from '../../../../policy/value/cidr.ts';
import { observed, policyOf } from '../fixture.ts';
import { merged, odd, RECORD, sessionOf, steady } from './fixture.ts';

/** A rule of curl's that has its destinations from sets, and another one that names the same. */
const WITH_SETS = `version: 2
sets:
  hosts: { cidr: [203.0.113.1, 203.0.113.5, 203.0.113.16/28] }
  alone: { cidr: [203.0.113.6] }
  web: { port: [22, 443] }
network:
  mode: block
  allow:
    # review: seen once
    - name: curl
      from: { exe: [/usr/bin/curl] }
      to:
        - { cidr: ["@hosts"], port: ["@web"], protocol: [tcp] }
        - { cidr: ["@alone"], port: ["@web"], protocol: [tcp] }
    - name: wget
      from: { exe: [/usr/bin/wget] }
      to:
        - { cidr: ["@hosts"], port: ["@web"], protocol: [tcp] }
`;

test('decisions keep the sets that a rule names, and change no other rule that names them', () => {
  const sets = WITH_SETS.slice(0, WITH_SETS.indexOf('network:'));
  const wget = WITH_SETS.slice(WITH_SETS.indexOf('    - name: wget'));
  for (const decision of ['deny', 'ignore', 'widen', 'narrow'] as const) {
    const session = sessionOf(WITH_SETS, RECORD);
    const item = session.open.find(({ destination }) => destination === '203.0.113.5:443/tcp')!;
    const settled = {
      ...item,
      decision,
      ...(decision === 'widen' && { cidr: parsePrefix('203.0.113.4/30')! }),
    };
    if (decision === 'narrow') {
      assert.throws(() => session.decide([settled]), /nothing is narrower/);
      continue;
    }
    assert.deepEqual(session.decide([settled]), [], decision);
    assert.ok(session.text.includes(sets), session.text);
    assert.ok(session.text.endsWith(wget), session.text);
    const flow = flowOf(odd[1]!);
    const policy = policyOf(session.text);
    assert.equal(evaluate(policy, flow).action, decision === 'widen' ? 'allow' : 'deny', session.text);
    assert.equal(evaluate(policy, { ...flow, exe: '/usr/bin/wget' }).action, 'allow');
    assert.equal(evaluate(policy, flowOf(odd[0]!)).action, 'allow');
    assert.equal(evaluate(policy, flowOf(steady[0]!)).action, 'allow');
  }
});

function ignored(items: readonly ReviewItem[]) {
  return items.map((item) => Object.assign({}, item, { decision: 'ignore' as const }));
}

test('an entry that allows an address by a set of nothing else goes with it', () => {
  const session = sessionOf(WITH_SETS, RECORD);
  const items = session.open.filter(({ destination }) => destination.startsWith('203.0.113.6:'));
  assert.equal(items.length, 2);
  assert.deepEqual(session.decide(ignored(items)), []);
  assert.doesNotMatch(session.text, /"@alone"/);
  assert.match(session.text, /^# ignored: .*203\.0\.113\.6\/32/m);
  for (const each of odd.slice(2))
    assert.equal(evaluate(policyOf(session.text), flowOf(each)).action, 'deny');
});

test('a rule of which nothing was recorded is ignored by its values, whatever becomes of the sets', () => {
  const session = sessionOf(WITH_SETS, [observed({ address: 1n, count: 9 })]);
  assert.deepEqual(session.decide(ignored(session.open)), []);
  assert.match(session.text, /^# ignored: .*203\.0\.113\.16\/28.*port: \[22, 443\]/m);
  assert.doesNotMatch(session.text, /^# ignored: .*@/m);
  // What a merge leaves out is read from the comment.
  assert.equal(merged(session.text, RECORD).includes('203.0.113.5/32'), true);
});

test('a merge keeps sets, and adds nothing that they allow', () => {
  const text = WITH_SETS.replace('203.0.113.16/28', '203.0.113.2');
  assert.equal(merged(text, RECORD), text);
  const more = merged(text, [...RECORD, observed({ address: 0xcb007163n, count: 3 })]);
  assert.ok(more.includes(text.slice(0, text.indexOf('network:'))));
  assert.match(more, /cidr: \[203\.0\.113\.99\/32\]/);
});
