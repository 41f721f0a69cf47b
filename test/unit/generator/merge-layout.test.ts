/** What a merge adds is marked for review, however the policy is laid out. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { sumEvidence } from '../../../generator/subject/evidence.ts';
import { flowOf } from '../../../generator/subject/flow.ts';
import { generatePolicy } from '../../../generator/generate.ts';
import { mergeWithBase } from '../../../generator/merge.ts';
import { findReview, prepareRecord } from '../../../generator/review/review.ts';
import { evaluate } from '../../../policy/meaning/evaluate.ts';
import type { RecordedObservation } from '../../../profiler/read/read.ts';
import { input, observed, OPTIONS, policyOf } from './fixture.ts';

const CURL = '/usr/bin/curl';
const RECORD = [
  observed({ count: 9 }),
  observed({ count: 9, address: 0x0a000202n, port: 8443 }),
  observed({ count: 9, address: 0x0a000303n, subject: { exe: '/usr/bin/wget' } }),
  observed({ count: 9, protocol: 17, port: 53, subject: { exe: '/usr/bin/dig' } }),
];
const ALLOWED = RECORD[0]!;

const TO = '{ cidr: [10.0.0.1/32], port: [443], protocol: [tcp] }';
const FROM = `from: { exe: [${CURL}], uid: [1000] }`;
const HEAD = 'version: 2\nnetwork:\n  mode: block\n';

const LAYOUTS: Record<string, string> = {
  'to in flow style': `${HEAD}  allow:\n    - name: curl\n      ${FROM}\n      to: [${TO}] # flow\n`,
  'to over several lines': `${HEAD}  allow:\n    - ${FROM}\n      to: [\n        ${TO}, # here\n      ]\n`,
  'the rule in braces': `${HEAD}  allow:\n    - { name: curl, ${FROM}, to: [${TO}] }\n`,
  'the list in brackets': `${HEAD}  allow: [{ name: curl, ${FROM}, to: [${TO}] }]\n`,
  'the list in brackets with a comment at its end': `${HEAD}  allow: [\n      { ${FROM}, to: [${TO}] } # last\n    ]\n`,
  'the list in brackets with a comma at its end': `${HEAD}  allow: [{ ${FROM}, to: [${TO}] }, ]\n`,
  'the list on a line of its own': `${HEAD}  allow:\n    [{ ${FROM}, to: [${TO}] }]\n`,
  'dashes below their key': `${HEAD}  allow:\n  - ${FROM}\n    to:\n    - ${TO}\n  # tail\n`,
  'a list of lines': `${HEAD}  allow:\n    - from:\n        exe:\n        - ${CURL}\n        uid: [\n          1000\n        ]\n      to:\n        - cidr:\n            - 10.0.0.1/32 # here\n          port: [443]\n`,
  'keys in quotes': `"version": 2\n"network":\n  "mode": block\n  "allow":\n    - ${FROM}\n      to: [${TO}]\n`,
  'a mark above the list': `${HEAD}  # added: by somebody\n  allow: [{ ${FROM}, to: [${TO}] }]\n`,
  'the comment far from the rule': `${HEAD}  allow: # rules\n\n    # curl\n\n    - ${FROM}\n\n      # where\n      to: # flow\n        [${TO}]\n# end\n`,
};

function merge(text: string, list: readonly RecordedObservation[]): string {
  const { demands } = generatePolicy(input(list), OPTIONS);
  const evidence = sumEvidence(demands.flatMap(({ observations }) => observations));
  return mergeWithBase({ text, policy: policyOf(text) }, demands, evidence).text;
}

for (const [layout, base] of Object.entries(LAYOUTS)) {
  for (const [ends, text] of [
    ['lines', base],
    ['CRLF', base.replaceAll('\n', '\r\n')],
  ] as const) {
    test(`${layout} (${ends}): every addition is marked, and review asks about it`, () => {
      const merged = merge(text, RECORD);
      const policy = policyOf(merged);
      for (const each of RECORD) assert.equal(evaluate(policy, flowOf(each)).action, 'allow', merged);
      assert.equal(/[^\r]\n/.test(merged), ends === 'lines');
      const asked = findReview({ text: merged, policy, record: prepareRecord(RECORD) }, new Map());
      const held = new Set(asked.flatMap(({ observations }) => observations.map(({ port }) => port)));
      const added = RECORD.filter((each) => each !== ALLOWED);
      for (const { port } of added) assert.ok(held.has(port), `${port}: ${merged}`);
      assert.ok(!asked.some(({ observations }) => observations.includes(ALLOWED)), merged);
      assert.equal(merge(merged, RECORD), merged, 'nothing is added the second time');
    });
  }
}

test('a policy in JSON can hold no mark, so nothing is added to it', () => {
  const json = JSON.stringify({
    version: 2,
    network: { mode: 'block', allow: [{ from: { exe: [CURL] }, to: [{ cidr: ['10.0.0.1'] }] }] },
  });
  for (const text of [json, `version: 2\nnetwork: { mode: block, allow: [{ ${FROM}, to: [${TO}] }] }\n`]) {
    assert.throws(() => merge(text, RECORD), {
      code: 'usage',
      message: /is JSON, or has its `network` in braces/,
    });
  }
});
