import assert from 'node:assert/strict';
import test from 'node:test';
import fc from '../../arbitrary/fast-check.ts';
import { flowOf } from '../../../generator/subject/flow.ts';
import { generatePolicy, type Generated, type GenerateOptions } from '../../../generator/generate.ts';
import { parsePrefix } from '../../../policy/value/cidr.ts';
import { compileEvaluator } from '../../../policy/meaning/evaluator.ts';
import type { PolicyDocument } from '../../../policy/file/document.ts';
import { printPolicy } from '../../../policy/file/print.ts';
import type { RecordedObservation } from '../../../profiler/read/read.ts';
import { input, observation, OPTIONS, policyOf, unlessNoData } from './fixture.ts';

/** Every way to ask for a policy, but for the budget. */
const ways: fc.Arbitrary<Partial<GenerateOptions>> = fc.record({
  by: fc.constantFrom('auto', 'exe', 'script', 'container', 'image', 'unit', 'uid', 'host'),
  layout: fc.constantFrom('rules', 'rules', 'flat'),
  evidence: fc.constantFrom('line', 'full'),
  includeDenied: fc.boolean(),
  deny: fc.constantFrom([], [parsePrefix('10.0.0.8/30')!]),
});

const record = fc
  .array(fc.tuple(observation, fc.constantFrom(undefined, 'a.service', 'b.service')), {
    minLength: 1,
    maxLength: 40,
  })
  .map((list) =>
    list.map(([each, unit]): RecordedObservation =>
      unit === undefined || each.subject.inContainer ? each : { ...each, subject: { ...each.subject, unit } },
    ),
  );

function generate(
  list: readonly RecordedObservation[],
  way: Partial<GenerateOptions>,
): Generated | undefined {
  return unlessNoData(() => generatePolicy(input(list), { ...OPTIONS, ...way }));
}

/** The least budget of a way, or a larger one. */
function budgetOf(list: readonly RecordedObservation[], way: Partial<GenerateOptions>, more: number): number {
  try {
    generate(list, { ...way, maxCidrs: 1 });
    return 1 + more;
  } catch (error) {
    return Number(/the fewest are (\d+)/.exec((error as Error).message)![1]) + more;
  }
}

function allowed({ demands }: Generated): RecordedObservation[] {
  return demands.flatMap(({ observations }) => observations);
}

/** How many of the observations a policy denies, as the enforcer would read it. */
function denied(document: PolicyDocument, observations: readonly RecordedObservation[]): number {
  const judge = compileEvaluator(policyOf(printPolicy(document)));
  return observations.filter((each) => judge(flowOf(each)).action === 'deny').length;
}

test('whatever is asked for, replaying the record denies nothing but what the policy says it leaves out', () => {
  fc.assert(
    fc.property(record, ways, fc.option(fc.nat({ max: 4 })), (list, way, more) => {
      const budget = more === null ? {} : { maxCidrs: budgetOf(list, way, more) };
      const generated = generate(list, { ...way, ...budget });
      if (generated === undefined) return;
      assert.equal(denied(generated.document, allowed(generated)), 0);
      const left = generated.omissions.flatMap(({ observations }) => observations);
      assert.equal(allowed(generated).length + left.length, list.length);
      for (const { observations, reason } of generated.omissions) {
        if (reason !== 'was denied') continue;
        assert.ok(way.includeDenied !== true && observations.every(({ verdict }) => verdict === 'deny'));
      }
    }),
    { numRuns: 600 },
  );
});

test('whatever is asked for, shuffling the record changes no byte', () => {
  fc.assert(
    fc.property(
      record.chain((list) =>
        fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
      ),
      ways,
      fc.option(fc.nat({ max: 4 })),
      ([list, shuffled], way, more) => {
        const budget = more === null ? {} : { maxCidrs: budgetOf(list, way, more) };
        const texts = [list, shuffled].map((each) => {
          const generated = generate(each, { ...way, ...budget });
          return generated && printPolicy(generated.document);
        });
        assert.equal(texts[0], texts[1]);
      },
    ),
    { numRuns: 300 },
  );
});

/** The lists of an object, each without one of its values. */
function withoutEach(lists: object): { key: string; value: unknown; rest: unknown[] }[] {
  return (Object.entries(lists) as [string, unknown[]][]).flatMap(([key, list]) =>
    list.map((value) => ({ key, value, rest: list.filter((each) => each !== value) })),
  );
}

/** The document without one value of one list of one rule; a list that is left empty takes what it is part of with it. */
function* withoutOne(document: PolicyDocument): Generator<{ what: string; rest: PolicyDocument }> {
  for (const [at, rule] of document.allow!.entries()) {
    const put = (changed: Partial<typeof rule> | undefined): PolicyDocument => ({
      ...document,
      allow: document.allow!.toSpliced(at, 1, ...(changed === undefined ? [] : [{ ...rule, ...changed }])),
    });
    for (const { key, rest, value } of withoutEach(rule.from!)) {
      const changed = rest.length === 0 ? undefined : { from: { ...rule.from, [key]: rest } };
      yield { what: `${key} ${String(value)} of ${rule.name}`, rest: put(changed as Partial<typeof rule>) };
    }
    for (const [entry, to] of (rule.to ?? []).entries()) {
      for (const { key, rest, value } of withoutEach(to)) {
        const places = rule.to!.toSpliced(entry, 1, ...(rest.length === 0 ? [] : [{ ...to, [key]: rest }]));
        const { to: _, ...bare } = rule;
        const gone = rule.sockets === undefined ? undefined : bare;
        const what = `${key} ${String(value)} of ${rule.name}`;
        if (places.length > 0) yield { what, rest: put({ to: places }) };
        else {
          const allow = document.allow!.toSpliced(at, 1, ...(gone === undefined ? [] : [gone]));
          yield { what, rest: { ...document, allow } };
        }
      }
    }
  }
}

test('without any one value of the policy, the enforcer would deny something that was recorded', () => {
  let removed = 0;
  fc.assert(
    fc.property(record, (list) => {
      const generated = generate(list, {});
      if (generated === undefined) return;
      for (const { rest, what } of withoutOne(generated.document)) {
        removed++;
        if (rest.allow!.length === 0) continue;
        assert.ok(denied(rest, allowed(generated)) > 0, `${what}\n${printPolicy(generated.document)}`);
      }
    }),
    { numRuns: 60 },
  );
  assert.ok(removed > 500, `${removed}`);
});
