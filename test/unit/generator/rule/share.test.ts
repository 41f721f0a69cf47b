import assert from 'node:assert/strict';
import test from 'node:test';
import { generatePolicy } from '../../../../generator/generate.ts';
import { mergeWithBase } from '../../../../generator/merge.ts';
import { findSuperfluous } from '../../../../generator/prove.ts';
import { OwnerTable } from '../../../../generator/rule/owner.ts';
import { shareLists } from '../../../../generator/rule/share.ts';
import { sumEvidence } from '../../../../generator/subject/evidence.ts';
import type { RuleDocument } from '../../../../policy/file/document.ts';
import { printPolicy } from '../../../../policy/file/print.ts';
import { parsePrefix } from '../../../../policy/value/cidr.ts';
import { mergePrefixes } from '../../../../policy/value/prefix-set.ts';
import type { Policy } from '../../../../policy/meaning/policy.ts';
import type { RecordedObservation } from '../../../../profiler/read/read.ts';
import fc from '../../../arbitrary/fast-check.ts';
import { Random } from '../random.ts';
import { input, observation, observed, OPTIONS, policyOf, print, START, unlessNoData } from '../fixture.ts';

const HOUR = 3_600_000_000;

/** Boxes without what is for explanations alone, and values in one order: those of sets come first. */
const meaning = ({ boxes }: Policy) =>
  boxes.map(({ action, from, name, to: { names, prefixes, ...to } }) => [
    action,
    name,
    from,
    to,
    names?.toSorted(),
    prefixes && mergePrefixes(prefixes),
  ]);

/** Programs with users of their own that go to the same addresses, each to some more and not to others. */
function sharing(programs: number, names?: (address: number) => string): RecordedObservation[] {
  const random = new Random(3);
  return Array.from({ length: programs }, (_, program) =>
    Array.from({ length: 24 }, (__, address) => ({ address, used: address < 20 || random.next() < 0.5 }))
      .filter(({ used }) => used)
      .map(({ address }) =>
        observed({
          address: 0xc6336400n + BigInt(3 * address),
          count: 50,
          last: START + HOUR,
          ...(names && { names: [names(address)], known: { by: 'self' as const, age: 0 } }),
          subject: { exe: `/opt/${program}`, uid: 2000 + program },
        }),
      ),
  ).flat();
}

test('what several rules go to is written once, and each rule keeps what is its own', () => {
  const record = sharing(6);
  const text = print(record, { evidence: 'line' });
  const full = print(record);
  assert.match(text, /^sets:\n {2}shared-1: \{ cidr: \[198\.51\.100\.0, 198\.51\.100\.3, /m);
  assert.equal(text.match(/"@shared-1"/g)!.length, 6);
  assert.ok(text.split('\n').length < full.split('\n').length / 3);
  assert.deepEqual(meaning(policyOf(text)), meaning(policyOf(full)));
});

test('a set is called as the owner of its addresses, or as what their names have in common', () => {
  const record = sharing(6, (address) => `n${address % 3}.objects.example`);
  assert.match(print(record, { evidence: 'line' }), /^ {2}objects\.example: \{ cidr: \[/m);
  const byName = print(record, { evidence: 'line', destinations: 'address' });
  assert.match(byName, /"@objects\.example"/);
  const owners = new OwnerTable(
    Array.from({ length: 24 }, (_, at) => ({
      owner: 'Example, Inc./storage',
      prefix: parsePrefix(`198.51.100.${3 * at}/32`)!,
    })),
  );
  assert.match(print(sharing(6), { evidence: 'line', owners }), /^ {2}Example-Inc\.-storage: \{ cidr: \[/m);
});

test('nothing is shared where that makes the policy no shorter', () => {
  assert.doesNotMatch(print(sharing(1), { evidence: 'line' }), /^sets:/m);
  const two = [1, 2].map((port): RuleDocument => ({
    to: [{ cidr: ['10.0.0.1', '10.0.0.2', '10.0.0.3'], port: [port] }],
  }));
  assert.equal(shareLists(two, () => undefined).sets.size, 0);
});

test('a policy in few lines means what the long one does, in any order of the record, and is as minimal', () => {
  let shared = 0;
  fc.assert(
    fc.property(
      fc.array(observation, { minLength: 1, maxLength: 30 }),
      fc.nat({ max: 8 }),
      (list, programs) => {
        const record = [...list, ...sharing(programs)];
        const made = unlessNoData(() => generatePolicy(input(record), { ...OPTIONS, evidence: 'line' }));
        if (made === undefined) return;
        const text = printPolicy(made.document);
        if (made.document.sets) shared++;
        assert.deepEqual(meaning(policyOf(text)), meaning(policyOf(print(record))), text);
        assert.equal(print(record.toReversed(), { evidence: 'line' }), text);
        const observations = made.demands.flatMap((demand) => demand.observations);
        assert.deepEqual(findSuperfluous(made.rules, made.names, made.lists, observations), []);
      },
    ),
    { numRuns: 100 },
  );
  assert.ok(shared > 20, `${shared} with sets`);
});

test('a merge adds to a rule in few lines, with a mark, and keeps the sets', () => {
  const record = sharing(3);
  const text = print(record, { evidence: 'line' });
  const more = observed({
    address: 0xcb007101n,
    count: 7,
    first: START + 9 * HOUR,
    last: START + 10 * HOUR,
    subject: { exe: '/opt/1', uid: 2001 },
  });
  const { demands } = generatePolicy(input([...record, more]), OPTIONS);
  const evidence = sumEvidence([...record, more]);
  const merged = mergeWithBase({ text, policy: policyOf(text) }, demands, evidence).text;
  assert.match(
    merged,
    /- name: \/opt\/1 uid 2001 #.*\n +from: .*\n +to:\n +- \{ cidr: \[.*\n +# added: 7 events, .*\n +- \{ cidr: \[203\.0\.113\.1\/32\]/,
  );
  assert.equal(/^sets:\n(?: .*\n)+/m.exec(merged)?.[0], /^sets:\n(?: .*\n)+/m.exec(text)?.[0]);
});
