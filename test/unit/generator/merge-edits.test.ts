import assert from 'node:assert/strict';
import test from 'node:test';
import fc from '../../arbitrary/fast-check.ts';
import { sumEvidence } from '../../../generator/subject/evidence.ts';
import { flowOf } from '../../../generator/subject/flow.ts';
import { generatePolicy } from '../../../generator/generate.ts';
import { mergeWithBase } from '../../../generator/merge.ts';
import { ruleSubject } from '../../../generator/subject/subject.ts';
import { compileEvaluator } from '../../../policy/meaning/evaluator.ts';
import type { RecordedObservation } from '../../../profiler/read/read.ts';
import { input, observation, OPTIONS, policyOf, print, unlessNoData } from './fixture.ts';
import { observedDestination } from '../../../generator/destination/destination.ts';

const HOUR = 3_600_000_000;

function merge(text: string, list: readonly RecordedObservation[]): string {
  const { demands } = generatePolicy(input(list), OPTIONS);
  const evidence = sumEvidence(demands.flatMap(({ observations }) => observations));
  return mergeWithBase({ text, policy: policyOf(text) }, demands, evidence).text;
}

function keyOf(each: RecordedObservation): string {
  return `${ruleSubject(each.subject)?.key} ${observedDestination(each)}`;
}

/** A generated policy as what is before its allow rules, and the lines of each rule with the comment above it. */
function rulesOf(text: string): { head: string; rules: string[] } {
  const at = text.indexOf('  allow:\n') + '  allow:\n'.length;
  const rules: string[] = [];
  let comment = true;
  for (const line of text.slice(at).trimEnd().split('\n')) {
    const isComment = line.startsWith('    #');
    if ((isComment && !comment) || rules.length === 0 || (!comment && line.startsWith('    - ')))
      rules.push('');
    comment = isComment;
    rules[rules.length - 1] += `${line}\n`;
  }
  return { head: text.slice(0, at), rules };
}

/** What people do to a policy. `at` chooses the rule. */
const EDITS: Readonly<Record<string, (rules: string[], at: number) => void>> = {
  remove: (rules, at) => void rules.splice(at, 1),
  reorder: (rules, at) => void rules.push(...rules.splice(at, 1)),
  comment: (rules, at) => void (rules[at] = `    # ours: ${at}\n${rules[at]}`),
  remark: (rules, at) => void (rules[at] = rules[at]!.replace(/ \}\n/, ' } # ours\n')),
  rename: (rules, at) => void (rules[at] = rules[at]!.replace(/- name: .*/, `- name: ours ${at}`)),
  widen: (rules, at) => void (rules[at] = rules[at]!.replace(/10\.0\.0\.\d+\/32/, '10.0.0.0/24')),
};

const edits = fc.array(fc.tuple(fc.constantFrom(...Object.keys(EDITS)), fc.nat(30)), { maxLength: 6 });
const records = fc.array(observation, { minLength: 1, maxLength: 15 });

test('edits by hand survive a merge byte for byte, and a second merge changes nothing', () => {
  fc.assert(
    fc.property(records, records, edits, (old, later, chosen) => {
      const generated = unlessNoData(() => print(old));
      if (generated === undefined) return;
      const { head, rules } = rulesOf(generated);
      assert.equal(head + rules.join(''), generated);
      for (const [edit, at] of chosen) if (rules.length > 0) EDITS[edit]!(rules, at % rules.length);
      const edited = rules.length > 0 ? head + rules.join('') : head.replace(/allow:\n$/, 'allow: []\n');
      // What was offered before and is not there was taken out: there is nothing to add.
      assert.equal(merge(edited, old), edited);

      const fresh = later.map((each) =>
        Object.assign({}, each, { first: each.first + 1000 * HOUR, last: each.last + 1000 * HOUR }),
      );
      const all = [...old, ...fresh];
      const merged = merge(edited, all);
      assert.equal(merge(merged, all), merged);
      const kept = merged.split('\n');
      let from = 0;
      for (const line of rules.join('').split('\n')) {
        const found = kept.indexOf(line, from);
        assert.ok(found >= 0, `${line} is gone or elsewhere`);
        from = found + 1;
      }
      const seenAgain = new Set(fresh.map(keyOf));
      const [before, after] = [edited, merged].map((text) => compileEvaluator(policyOf(text)));
      for (const each of old) {
        if (!seenAgain.has(keyOf(each)))
          assert.equal(after!(flowOf(each)).action, before!(flowOf(each)).action);
      }
    }),
    { numRuns: 60 },
  );
});
