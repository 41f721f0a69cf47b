import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lintPolicy } from '../../../../policy/analysis/lint.ts';
import { diffPolicies, widens } from '../../../../policy/analysis/diff.ts';
import { parsePolicy } from '../../../../policy/file/parse.ts';
import { printPolicy } from '../../../../policy/file/print.ts';
import { evaluate } from '../../../../policy/meaning/evaluate.ts';
import { compileEvaluator } from '../../../../policy/meaning/evaluator.ts';
import {
  blocksSome,
  describeModes,
  modeOf,
  monitored,
  monitorsSome,
} from '../../../../policy/meaning/mode.ts';
import type { Flow, Policy } from '../../../../policy/meaning/policy.ts';
import { parseAddress } from '../../../../policy/value/address.ts';
import { documentOf } from '../../../arbitrary/document-of.ts';

/** A policy that allows port 443 of 10.0.0.1, with these modes. */
function policyOf(mode: string, modes?: string): Policy {
  const entries = modes === undefined ? '' : `  modes: ${modes}\n`;
  const text = `version: 2\nnetwork:\n  mode: ${mode}\n${entries}  allow: [{ to: [{ cidr: [10.0.0.1], port: [443] }] }]\n`;
  const { policy, problems } = parsePolicy(text, 'policy.yaml');
  assert.deepEqual(problems, []);
  return policy!;
}

const FLOW: Flow = {
  command: 'curl',
  exe: '/usr/bin/curl',
  uid: 1000,
  euid: 1000,
  gid: 1000,
  egid: 1000,
  inContainer: false,
  address: parseAddress('10.0.0.9')!,
  port: 443,
  protocol: 6,
};

function becomes(policy: Policy, flow: Partial<Flow>): string {
  const whole = { ...FLOW, ...flow };
  const verdict = evaluate(policy, whole);
  assert.deepEqual(compileEvaluator(policy)(whole), verdict);
  return verdict.action === 'allow' ? 'allow' : modeOf(policy, verdict);
}

test('the first mode entry that matches says what becomes of a denial, else the mode of the policy', () => {
  const policy = policyOf(
    'block',
    '[{ from: { uid: [7], exe: [/usr/bin/curl] }, mode: block }, { name: people, from: { uid: [7, 8] }, mode: monitor }]',
  );
  assert.equal(becomes(policy, {}), 'block');
  assert.equal(becomes(policy, { uid: 8, euid: 8 }), 'monitor');
  assert.equal(becomes(policy, { uid: 7, euid: 7 }), 'block');
  assert.equal(becomes(policy, { uid: 7, euid: 7, exe: '/usr/bin/wget' }), 'monitor');
  assert.equal(becomes(policy, { uid: 8, euid: 8, address: parseAddress('10.0.0.1')! }), 'allow');
  assert.equal(describeModes(policy), 'block mode, but monitor for people');
  assert.ok(blocksSome(policy) && monitorsSome(policy));
  assert.ok(!blocksSome(monitored(policy)));
});

test('a doubt about the ids has a subject blocked, never monitored', () => {
  const monitors = policyOf('block', '[{ from: { uid: [7] }, mode: monitor }]');
  assert.equal(becomes(monitors, { uid: 7, euid: 8 }), 'block');
  assert.equal(becomes(monitors, { uid: 8, euid: 7 }), 'block');
  const blocks = policyOf('monitor', '[{ from: { uid: [7] }, mode: block }]');
  assert.equal(becomes(blocks, { uid: 7, euid: 8 }), 'block');
  assert.equal(becomes(blocks, { uid: 8, euid: 7 }), 'block');
  assert.equal(becomes(blocks, { uid: 8, euid: 8 }), 'monitor');
});

test('mode entries are printed and read again as they were', () => {
  const policy = policyOf(
    'block',
    '[{ name: "a: b", from: { uid: [7], exe: [/usr/bin/curl] }, mode: monitor }, { from: {}, mode: block }]',
  );
  const printed = printPolicy(documentOf(policy));
  assert.deepEqual(parsePolicy(printed, 'printed.yaml').policy?.modes, policy.modes);
  assert.match(
    printed,
    /^ {2}modes:\n {4}- name: "a: b"\n {6}from: \{ exe: \[\/usr\/bin\/curl\], uid: \[7\] \}/m,
  );
});

function problemsOf(modes: string): string[] {
  const { problems } = parsePolicy(`version: 2\nnetwork:\n  modes: ${modes}\n  allow: []\n`, 'policy.yaml');
  return problems.map(({ line, message, path }) => `${line} ${path}: ${message}`);
}

test('what is wrong with a mode entry is said where it stands', () => {
  assert.match(problemsOf('[{ mode: monitor }]').join(), /network\.modes\[0\]/);
  assert.match(problemsOf('[{ from: { uid: [1] } }]').join(), /network\.modes\[0\]/);
  assert.match(
    problemsOf('[{ from: { exe: [curl] }, mode: block }]').join(),
    /^3 network\.modes\[0\]\.from\.exe/,
  );
  assert.match(problemsOf('[{ from: { uid: [1] }, mode: learn }]').join(), /network\.modes\[0\]\.mode/);
  assert.match(
    parsePolicy('network: { modes: [] }', 'policy.yaml')
      .problems.map(({ message }) => message)
      .join(),
    /modes/,
    'version 1 has none',
  );
});

function findingsOf(mode: string, modes: string): string[] {
  return lintPolicy(policyOf(mode, modes)).flatMap(({ message, modeEntry }) =>
    modeEntry === undefined ? [] : [`${modeEntry} ${message}`],
  );
}

test('check says of a mode entry that it never decides, changes nothing, or goes by a name that any process can take', () => {
  assert.deepEqual(
    findingsOf(
      'block',
      '[{ name: a, from: { uid: [7, 8] }, mode: monitor }, { name: b, from: { uid: [8] }, mode: monitor }]',
    ),
    ['1 mode entry "b" never decides: "a" before it has all its subjects'],
  );
  assert.deepEqual(
    findingsOf(
      'block',
      '[{ name: a, from: { uid: [7, 8] }, mode: monitor }, { name: b, from: { uid: [8] }, mode: block }]',
    ),
    ['1 mode entry "b" changes nothing: all others are in block mode too'],
    'a block entry also matches who has one of the ids',
  );
  assert.deepEqual(findingsOf('block', '[{ name: a, from: { command: [curl] }, mode: monitor }]'), [
    '0 mode entry "a" names its subject by command only: no security boundary, since any process can rename itself',
  ]);
  assert.deepEqual(
    findingsOf(
      'monitor',
      '[{ name: a, from: { uid: [7] }, mode: monitor }, { name: b, from: { unit: [web.service] }, mode: block }]',
    ),
    [],
  );
});

test('a subject that goes from block to monitor widens a policy, one that goes back does not', () => {
  const all = policyOf('block');
  const but = policyOf('block', '[{ from: { unit: [web.service] }, mode: monitor }]');
  const more = diffPolicies(all, but);
  assert.deepEqual(more.modes, { monitor: [{ unit: { only: ['web.service'] } }], block: [] });
  assert.ok(widens(more));
  const less = diffPolicies(but, all);
  assert.deepEqual(less.modes, { monitor: [], block: [{ unit: { only: ['web.service'] } }] });
  assert.ok(!widens(less));
});

test('policies whose modes are written in other words differ in nothing', () => {
  const one = policyOf('block', '[{ from: { uid: [7] }, mode: monitor }]');
  const same = policyOf(
    'block',
    '[{ from: { uid: [7], unit: [a.service] }, mode: monitor }, { from: { uid: [7] }, mode: monitor }, { from: { uid: [9] }, mode: block }]',
  );
  assert.deepEqual(diffPolicies(one, same), { gained: [], lost: [] });
  assert.deepEqual(diffPolicies(policyOf('block'), policyOf('monitor', '[{ from: {}, mode: block }]')), {
    gained: [],
    lost: [],
  });
});
