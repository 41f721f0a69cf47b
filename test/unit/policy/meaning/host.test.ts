import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from '../../../arbitrary/fast-check.ts';
import { flow, HOSTS } from '../../../arbitrary/flow.ts';
import { writtenPolicy } from '../../../arbitrary/policy.ts';
import { parsePolicy } from '../../../../policy/file/parse.ts';
import { diffPolicies } from '../../../../policy/analysis/diff.ts';
import { compileEvaluator } from '../../../../policy/meaning/evaluator.ts';
import { evaluate } from '../../../../policy/meaning/evaluate.ts';
import { forHost, hostTexts } from '../../../../policy/meaning/host.ts';
import { modeOf } from '../../../../policy/meaning/mode.ts';
import type { Flow, Policy, Verdict } from '../../../../policy/meaning/policy.ts';
import { PLAIN } from '../../../arbitrary/flow.ts';

const read = (rules: string): Policy => {
  const { policy, problems } = parsePolicy(`version: 2\nnetwork:\n  mode: block\n${rules}`, 'test.yaml');
  assert.ok(policy, JSON.stringify(problems));
  return policy;
};

test('the policy of a host gives the verdicts that the whole one gives there, and so where none is known', () => {
  let named = 0;
  fc.assert(
    fc.property(
      writtenPolicy(),
      fc.array(flow(), { minLength: 20, maxLength: 20 }),
      fc.constantFrom(undefined, ...HOSTS),
      ({ policy }, flows, host) => {
        const own = forHost(policy, host);
        if (own === policy) return;
        named += 1;
        assert.ok([...own.boxes, ...(own.modes ?? [])].every(({ from }) => from.host === undefined));
        const judge = compileEvaluator(policy);
        for (const { host: _, ...each } of flows) {
          const here: Flow = { ...each, ...(host && { host: hostTexts(host) }) };
          const whole = evaluate(policy, here);
          assert.deepEqual(judge(here), whole);
          assert.deepEqual(said(own, evaluate(own, each)), said(policy, whole));
        }
      },
    ),
    { numRuns: 400 },
  );
  assert.ok(named > 30, String(named));
});

function said(policy: Policy, verdict: Verdict) {
  const { action, box } = verdict;
  const mode = action === 'deny' ? modeOf(policy, verdict) : undefined;
  return { action, mode, rule: box === undefined ? undefined : policy.boxes[box]!.to };
}

test('an allow for another host grants nothing, and a deny for another is left out there alone', () => {
  const policy = read(
    '  deny: [{ from: { host: [web-1] }, to: [{ port: [22] }] }]\n' +
      '  allow: [{ from: { host: [role=db, web-1] } }, { from: { host: [zone=b] }, to: [{ port: [80] }] }]\n',
  );
  const count = (at: number | undefined) =>
    forHost(policy, at === undefined ? undefined : HOSTS[at]).boxes.map(({ name }) => name);
  assert.deepEqual(count(0), ['deny[0]', 'allow[0]']);
  assert.deepEqual(count(1), ['allow[1]']);
  assert.deepEqual(count(2), ['allow[0]']);
  assert.deepEqual(count(undefined), ['deny[0]']);
});

test('of modes, only a block holds where the host is not known', () => {
  const policy = read(
    '  modes: [{ from: { host: [web-1] }, mode: monitor }, { from: { host: [db-1] }, mode: block }]\n  allow: []\n',
  );
  assert.deepEqual(forHost(policy, undefined).modes, [{ name: 'modes[1]', from: {}, mode: 'block' }]);
  assert.deepEqual(forHost(policy, HOSTS[0]).modes, [{ name: 'modes[0]', from: {}, mode: 'monitor' }]);
  assert.equal(forHost(policy, HOSTS[1]).modes, undefined);
});

test('a host that is called like a label gets none of the rules for that label', () => {
  assert.deepEqual(hostTexts({ id: 'h', name: 'role=web', labels: { zone: 'a' } }), ['h', 'zone=a']);
});

test('hosts take no pattern', () => {
  const { problems } = parsePolicy(
    'version: 2\nnetwork:\n  allow: [{ from: { host: ["web-*", " x", "=a", ok] } }]\n',
    'test.yaml',
  );
  assert.deepEqual(
    problems.map(({ message }) => message),
    [
      'a host takes no pattern: "web-*"',
      '" x" is neither the name of a host nor a label',
      '"=a" is neither the name of a host nor a label',
    ],
  );
});

test('a rule that gets another host widens, and one that gets a host narrows', () => {
  const every = read('  allow: [{ to: [{ port: [80] }] }]\n');
  const one = read('  allow: [{ from: { host: [web-1] }, to: [{ port: [80] }] }]\n');
  const two = read('  allow: [{ from: { host: [web-1, role=db] }, to: [{ port: [80] }] }]\n');
  const gained = diffPolicies(one, two).gained;
  assert.deepEqual(gained[0]!.from, { host: { only: ['role=db (in part)'] } });
  assert.deepEqual(diffPolicies(one, two).lost, []);
  assert.equal(diffPolicies(every, one).gained.length, 0);
  assert.ok(diffPolicies(every, one).lost.length > 0);
});

test('where nothing is gained no host gets more, however its name and labels meet', () => {
  const denied = read(
    '  deny: [{ from: { host: [role=web] } }]\n  allow: [{ from: { host: [web-1] }, to: [{ port: [443] }] }]\n',
  );
  const allowed = read('  allow: [{ from: { host: [web-1] }, to: [{ port: [443] }] }]\n');
  // As web-1 has that label, taking the deny away widens.
  assert.ok(diffPolicies(denied, allowed).gained.length > 0);
  const host = hostTexts(HOSTS[0]!);
  assert.equal(evaluate(denied, { ...PLAIN, host }).action, 'deny');
  assert.equal(evaluate(allowed, { ...PLAIN, host }).action, 'allow');
  fc.assert(
    fc.property(writtenPolicy(), writtenPolicy(), flow(), ({ policy: one }, { policy: other }, each) => {
      if (diffPolicies(one, other).gained.length > 0) return;
      if (evaluate(other, each).action === 'allow') assert.equal(evaluate(one, each).action, 'allow');
    }),
    { numRuns: 300 },
  );
});
