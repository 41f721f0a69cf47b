import assert from 'node:assert/strict';
import test from 'node:test';
import fc from '../../../arbitrary/fast-check.ts';
import {
  itemKey,
  parseDecisions,
  printDecision,
  printUndone,
  type DecisionKind,
} from '../../../../generator/review/decision.ts';
import { changeBetween, lastChange, printChange, textBefore } from '../../../../generator/review/change.ts';
import { flowOf } from '../../../../generator/subject/flow.ts';
import { generatePolicy } from '../../../../generator/generate.ts';
import { EVERYTHING, groupItems } from '../../../../generator/review/review.ts';
import { widerFor } from '../../../../generator/review/carry-out.ts';
import { formatPrefix, parsePrefix } from '../../../../policy/value/cidr.ts';
import { diffPolicies } from '../../../../policy/analysis/diff.ts';
import { evaluate } from '../../../../policy/meaning/evaluate.ts';
import { printPolicy } from '../../../../policy/file/print.ts';
import { Accounts } from '../../../../profiler/read/observation.ts';
import { input, observation, observed, OPTIONS, policyOf, print, START, unlessNoData } from '../fixture.ts';
import { HOUR, merged, RECORD, sessionOf, steady } from './fixture.ts';

test('each odd destination is asked about once, and those with the same reasons together', () => {
  const { open } = sessionOf(print(RECORD), RECORD);
  assert.deepEqual(
    open.map(({ destination, reasons }) => [destination, ...reasons]),
    ['203.0.113.5:22/tcp', '203.0.113.5:443/tcp', '203.0.113.6:22/tcp', '203.0.113.6:443/tcp'].map(
      (place) => [place, 'seen once'],
    ),
  );
  assert.equal(groupItems(open).length, 1);
});

test('what is denied or ignored is taken out exactly, the rest of the rule stays', () => {
  const session = sessionOf(print(RECORD), RECORD);
  const [first, second, third, fourth] = session.open;
  assert.deepEqual(session.decide([{ ...first!, decision: 'deny' }]), []);
  assert.match(
    session.text,
    /name: "\/usr\/bin\/curl uid 1000 \(denied\)"\n +from: .*\n +to:\n +- \{ cidr: \[203\.0\.113\.5\/32\], port: \[22\], protocol: \[tcp\] \}/,
  );
  session.decide([{ ...fourth!, decision: 'ignore' }]);
  assert.match(
    session.text,
    /^# ignored: \{ from: \{ exe: \[\/usr\/bin\/curl\], uid: \[1000\] \}, to: \[\{ cidr: \[203\.0\.113\.6\/32\], port: \[443\], protocol: \[tcp\] \}\] \}$/m,
  );
  assert.match(session.text, /# review: /);
  session.decide([
    { ...second!, decision: 'allow' },
    { ...third!, decision: 'allow' },
  ]);
  assert.doesNotMatch(session.text, /# review: /);
  const verdicts = RECORD.map((each) => evaluate(session.input.policy, flowOf(each)).action);
  assert.deepEqual(verdicts, ['allow', 'allow', 'deny', 'allow', 'allow', 'deny']);
});

test('what a widened prefix covers is settled with it, on that port alone', () => {
  const session = sessionOf(print(RECORD), RECORD);
  const cidr = parsePrefix('203.0.113.0/24')!;
  const at443 = session.open.find(({ destination }) => destination === '203.0.113.5:443/tcp')!;
  session.decide([{ ...at443, decision: 'widen', cidr }]);
  assert.deepEqual(
    session.open.map(({ destination }) => destination),
    ['203.0.113.5:22/tcp', '203.0.113.6:22/tcp'],
  );
  // From a file, a decision on what is covered is still one.
  const covered = { rule: at443.rule, destination: '203.0.113.6:443/tcp', decision: 'deny' as const };
  assert.deepEqual(session.decide([covered]), []);
  const flow = flowOf(RECORD.at(-1)!);
  assert.equal(evaluate(policyOf(session.text), flow).action, 'deny');
});

test('a group of destinations is widened at once', () => {
  const session = sessionOf(print(RECORD), RECORD);
  const cidr = parsePrefix('203.0.113.0/24')!;
  session.decide(session.open.map((item) => ({ ...item, decision: 'widen', cidr })));
  assert.deepEqual(session.open, []);
  assert.doesNotMatch(session.text, /# review: /);
  const policy = policyOf(session.text);
  for (const port of [22, 443]) {
    const inside = flowOf(observed({ address: 0xcb0071c8n, port }));
    assert.equal(evaluate(policy, inside).action, 'allow');
  }
});

test('decisions are undone one by one with all that they changed, across rules, and in the file of decisions too', () => {
  const wget = [7, 8, 9, 10].map((low) =>
    observed({ subject: { exe: '/usr/bin/wget' }, address: 0xcb007100n + BigInt(low) }),
  );
  const record = [...RECORD, ...wget];
  const session = sessionOf(print(record), record);
  const states = [session.text];
  const asked = session.open.map(({ destination, rule }) => [rule, destination]);
  const rules = [...new Set(asked.map(([rule]) => rule))];
  assert.equal(rules.length, 2);
  const cidr = parsePrefix('203.0.113.0/24')!;
  for (const decision of ['deny', 'ignore', 'allow', 'widen'] as const) {
    // Of each rule the next one, together.
    const items = rules.flatMap((rule) => session.open.find((item) => item.rule === rule) ?? []);
    const decided = items.map(({ destination, rule }) => ({ destination, rule, decision }));
    session.decide(decision === 'widen' ? decided.map((each) => Object.assign(each, { cidr })) : decided);
    states.push(session.text);
  }
  assert.deepEqual(session.open, []);
  for (const text of states.toReversed()) {
    assert.equal(session.text, text);
    assert.equal(session.undo(), text !== states[0]);
  }
  assert.deepEqual(
    session.open.map(({ destination, rule }) => [rule, destination]),
    asked,
  );
  const made = { rule: 'a', destination: '192.0.2.1:443/tcp', decision: 'deny' as const };
  assert.deepEqual(parseDecisions(printDecision(made) + printUndone(made), 'file'), []);
  assert.deepEqual(parseDecisions(printUndone(made) + printDecision(made), 'file'), [made]);
});

test('what answers have changed is taken back from the file of decisions, in turn', () => {
  const session = sessionOf(print(RECORD), RECORD);
  const texts = [session.text];
  let log = '';
  for (const decision of ['deny', 'ignore', 'allow', 'deny'] as const) {
    const made = { ...session.open[0]!, decision };
    const before = session.text;
    session.decide([made]);
    texts.push(session.text);
    log +=
      printDecision(made) +
      printChange(changeBetween(before, session.text, { of: [made], digest: String(texts.length) }));
  }
  assert.equal(parseDecisions(log, 'file').length, 4);
  for (const before of texts.toReversed().slice(1)) {
    const change = lastChange(log)!;
    assert.equal(change.digest, String(texts.length));
    assert.equal(textBefore(change, texts.pop()!), before);
    log += change.of.map(printUndone).join('');
  }
  assert.equal(lastChange(log), undefined);
  assert.deepEqual(parseDecisions(log, 'file'), []);
  assert.equal(lastChange('{"change":{"of":[],"digest":"0","back":[["x",1,[]]]}}\n'), undefined);
});

test('any text comes back from any other by the lines that were changed', () => {
  const text = fc
    .array(fc.constantFrom('a', 'b', 'c', ''), { maxLength: 30 })
    .map((lines) => lines.join('\n'));
  fc.assert(
    fc.property(text, text, (before, after) => {
      assert.equal(textBefore(changeBetween(before, after, { of: [], digest: '' }), after), before);
    }),
  );
});

test('what can do most harm is asked first, whatever its name', () => {
  const record = [
    observed({ count: 9, last: START + HOUR, subject: { exe: '/usr/bin/zz' } }),
    observed({ subject: { exe: '/usr/bin/aa' }, address: 0x0a000002n }),
    observed({ subject: { exe: '/usr/bin/bb' }, address: 0xcb007105n, count: 4 }),
    observed({ subject: { exe: '/tmp/cc' }, address: 0x0a000003n, count: 4 }),
    observed({ subject: { exe: '/usr/bin/dd' }, address: 0xa9fea9fen, count: 4 }),
  ];
  const { open } = sessionOf(print(record), record);
  assert.deepEqual(
    open.map(({ reasons: [worst] }) => worst),
    [
      'metadata address, which hands out credentials',
      'executable in /tmp',
      'public address without a neighbour in its /24',
      'seen once',
    ],
  );
});

test('the comment of a rule that is denied goes with it, wherever it stands', () => {
  const record = ['aa', 'bb', 'cc'].map((name, at) =>
    observed({ subject: { exe: `/usr/bin/${name}` }, address: 0xcb007101n + BigInt(at), first: START + at }),
  );
  const accounts = new Accounts([{ kind: 'user', id: 1000, name: 'ada' }]);
  const text = printPolicy(generatePolicy(input(record, { accounts }), OPTIONS).document);
  assert.equal(text.match(/# uid 1000 \(ada\)/g)?.length, 3);
  for (const at of [0, 1, 2]) {
    const session = sessionOf(text, record);
    const item = session.open.find(({ rule }) => rule.includes(['aa', 'bb', 'cc'][at]!))!;
    session.decide([{ ...item, decision: 'deny' }]);
    const allow = session.text.slice(session.text.indexOf('  allow:'));
    assert.equal(allow.match(/# 1 event in 1 hour/g)?.length, 2, session.text);
    assert.equal(allow.match(/# uid 1000 \(ada\)/g)?.length, 2, session.text);
    assert.equal(allow.match(/- name: /g)?.length, 2);
  }
});

test('a policy of lines with CRLF comes back with CRLF, whatever is decided', () => {
  const text = print(RECORD).replaceAll('\n', '\r\n');
  for (const decision of ['allow', 'deny', 'ignore'] as const) {
    const session = sessionOf(text, RECORD);
    session.decide(session.open.map((item) => ({ ...item, decision })));
    assert.notEqual(session.text, text);
    assert.doesNotMatch(session.text, /[^\r]\n/);
    assert.doesNotMatch(session.text, /\r\r/);
  }
  assert.equal(sessionOf(text, RECORD).text, text);
});

test('a prefix is widened to what was chosen, and narrowed to what was seen', () => {
  const session = sessionOf(print(RECORD), RECORD);
  const [item] = session.open;
  assert.equal(formatPrefix(widerFor(session.input, item!)!), '203.0.113.0/24');
  const refused = (cidr: string): void =>
    assert.throws(() => session.decide([{ ...item!, decision: 'widen', cidr: parsePrefix(cidr)! }]), {
      code: 'usage',
    });
  for (const cidr of ['198.51.100.0/24', '200.0.0.0/7', '192.0.0.0/4']) refused(cidr);
  session.decide([{ ...item!, decision: 'widen', cidr: parsePrefix('203.0.113.0/24')! }]);
  assert.match(
    session.text,
    /\n +- \{ cidr: \[203\.0\.113\.5.*, port: \[22, 443\].*\n +- \{ cidr: \[203\.0\.113\.0\/24\], port: \[22\], /,
  );
  const again = sessionOf(session.text, RECORD);
  again.decide([{ ...item!, decision: 'narrow' }]);
  assert.match(again.text, /cidr: \[203\.0\.113\.5\/32, 203\.0\.113\.6\/32\], port: \[22\]/);
  assert.throws(() => sessionOf(again.text, RECORD).decide([{ ...item!, decision: 'narrow' }]), {
    code: 'usage',
  });
});

test('what a rule written by hand allows together with more can be denied, not ignored', () => {
  const text = `version: 2
network:
  mode: block
  allow:
    # review: look at this
    - name: ours
      to: [{ cidr: [203.0.113.0/24] }]
`;
  const session = sessionOf(text, [observed({ address: 0xcb007105n })]);
  const [item] = session.open;
  assert.throws(() => session.decide([{ ...item!, decision: 'ignore' }]), { code: 'usage' });
  assert.equal(session.text, text);
  session.decide([{ ...item!, decision: 'deny' }]);
  assert.equal(
    session.text,
    text.replace('    # review: look at this\n', '').replace(
      '  allow:',
      `  deny:
    - name: "ours (denied)"
      to:
        - { cidr: [203.0.113.5/32], port: [443], protocol: [tcp] }
  allow:`,
    ),
  );
});

test('a mark on a rule of which nothing was recorded stands for the rule', () => {
  const session = sessionOf(print(RECORD), [observed({ subject: { exe: '/usr/bin/wget' } })]);
  const [item] = session.open;
  assert.equal(item!.destination, EVERYTHING);
  session.decide([{ ...item!, decision: 'ignore' }]);
  assert.match(session.text, /^ {2}allow: \[\]$/m);
  assert.equal(merged(session.text, RECORD), session.text);
});

test('a rule marked by hand, of which nothing is odd, is asked about until each destination is decided', () => {
  const text = `version: 2
network:
  mode: block
  target: host
  allow:
    # review: look at this
    - name: ours
      from: { exe: [/usr/bin/curl] }
      to: [{ cidr: [203.0.113.1/32, 203.0.113.2/32], port: [443], protocol: [tcp] }]
`;
  const session = sessionOf(text, steady);
  const [first, second] = session.open;
  session.decide([{ ...first!, decision: 'ignore' }]);
  assert.deepEqual(
    session.open.map(({ destination }) => destination),
    [second!.destination],
  );
  assert.match(session.text, /# review: look at this/);
  session.decide([{ ...second!, decision: 'ignore' }]);
  assert.deepEqual(session.open, []);
  for (const each of steady) assert.equal(evaluate(session.input.policy, flowOf(each)).action, 'deny');
});

test('what was added by a merge is asked about, also as a part of a rule', () => {
  const text = print(steady);
  const later = observed({
    address: 0xcb007109n,
    count: 9,
    first: START + 9 * HOUR,
    last: START + 10 * HOUR,
  });
  const session = sessionOf(merged(text, [...steady, later]), [...steady, later]);
  assert.deepEqual(
    session.open.map(({ destination, reasons }) => [destination, reasons[0]]),
    [['203.0.113.9:443/tcp', 'added: 9 events, 2026-11-21 09:00:00Z']],
  );
  session.decide([{ ...session.open[0]!, decision: 'ignore' }]);
  assert.equal(merged(session.text, [...steady, later]), session.text);
});

test('whatever is decided, nothing is widened, no decided mark stays, and no merge brings back what went', () => {
  const kinds = fc.constantFrom<DecisionKind>('allow', 'deny', 'ignore');
  const records = fc.array(observation, { minLength: 1, maxLength: 12 });
  const layouts = fc.constantFrom('line' as const, 'full' as const);
  fc.assert(
    fc.property(
      records,
      fc.array(kinds, { minLength: 1, maxLength: 20 }),
      layouts,
      (record, answers, evidence) => {
        const text = unlessNoData(() => print(record, { evidence }));
        if (text === undefined) return;
        const session = sessionOf(text, record);
        const items = session.open;
        const out = new Map<string, DecisionKind>();
        for (const [at, item] of items.entries()) {
          const decision = answers[at % answers.length]!;
          out.set(itemKey(item), decision);
          // An item may have gone with another one, where two rules share it.
          session.decide([{ ...item, decision }]);
        }
        assert.deepEqual(session.open, []);
        assert.doesNotMatch(session.text, /# review: /);
        assert.deepEqual(diffPolicies(policyOf(text), session.input.policy).gained, []);
        for (const item of items) {
          if (out.get(itemKey(item)) === 'allow') continue;
          for (const each of item.observations) {
            assert.equal(evaluate(session.input.policy, flowOf(each)).action, 'deny');
          }
        }
        // Everything of the record is offered anew when the policy does not say up to when it was offered.
        const unknown = session.text.replace(/^# Window: .*\n/m, '');
        const again = policyOf(merged(unknown, record));
        assert.deepEqual(diffPolicies(session.input.policy, again).gained, []);
      },
    ),
    { numRuns: 80 },
  );
});

test('a file of decisions is read as it is written, and a wrong line is named', () => {
  const decisions = [
    { rule: 'a "b"', destination: '192.0.2.1:443/tcp', decision: 'allow' as const },
    { rule: 'c', destination: 'raw socket', decision: 'widen' as const, cidr: parsePrefix('192.0.2.0/24')! },
  ];
  assert.deepEqual(parseDecisions(`# ours\n\n${decisions.map(printDecision).join('')}`, 'file'), decisions);
  for (const line of [
    'no',
    '1',
    '{"rule":"a","destination":"b","decision":"maybe"}',
    '{"rule":"a","destination":"b","decision":"widen"}',
    '{"rule":"a","destination":"b","decision":"allow","cidr":"192.0.2.0/24"}',
    '{"rule":"a","destination":"b","decision":"widen","cidr":"192.0.2.0/40"}',
    '{"rule":"a","destination":"b","decision":"deny","why":"c"}',
    '{"rule":1,"destination":"b","decision":"deny"}',
  ]) {
    assert.throws(() => parseDecisions(`\n${line}\n`, 'file'), { code: 'usage', message: /^file:2: / }, line);
  }
});
