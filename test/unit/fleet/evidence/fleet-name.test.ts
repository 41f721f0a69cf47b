import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from '../../../arbitrary/fast-check.ts';
import { suffixes } from '../../../../cli/run/public-suffix.ts';
import { fleetRecord, shownAt } from '../../../../fleet/evidence/record.ts';
import type { AggregateRow } from '../../../../fleet/wire/message.ts';
import { type Generated, generatePolicy, type GenerateOptions } from '../../../../generator/generate.ts';
import { countHosts } from '../../../../generator/fleet/host-set.ts';
import { flowOf } from '../../../../generator/subject/flow.ts';
import { parsePolicy } from '../../../../policy/file/parse.ts';
import { printPolicy } from '../../../../policy/file/print.ts';
import { compileEvaluator } from '../../../../policy/meaning/evaluator.ts';
import type { Policy } from '../../../../policy/meaning/policy.ts';
import { aggregated, CURL, type Deed, madeHosts, PLAIN } from '../fixture/made-fleet.ts';

const OPTIONS: GenerateOptions = { ...PLAIN, exactPorts: true, destinations: 'auto', suffixes };

interface Made {
  text: string;
  policy: Policy;
  result: Generated;
}

function generated(deeds: readonly (readonly Deed[])[], change: Partial<GenerateOptions> = {}): Made {
  return made(deeds.length, aggregated(deeds), 3, change);
}

function made(
  hosts: number,
  rows: readonly AggregateRow[],
  minHosts: number,
  change: Partial<GenerateOptions> = {},
): Made {
  const record = fleetRecord(madeHosts(hosts), rows, { workload: 'web', minHosts });
  const result = generatePolicy(record, { ...OPTIONS, ...change });
  const text = printPolicy(result.document);
  const { policy, problems } = parsePolicy(text, 'policy.yaml');
  assert.ok(policy, JSON.stringify(problems));
  return { text, policy, result };
}

/** A public address. */
const at = (last: number): string => `93.184.216.${last}`;

const to = (name: string, last: number, age = 0, subject = CURL): Deed => ({
  subject,
  address: at(last),
  port: 443,
  name,
  age,
});

const unnamed = (last: number): Deed => ({ subject: CURL, address: at(last), port: 443 });

const API = 'api.example.com';

const namesIn = ({ boxes }: Policy): string[] => boxes.flatMap(({ to: { names } }) => names ?? []).toSorted();

const addressesIn = ({ boxes }: Policy): number =>
  boxes.filter(({ action, to: { prefixes } }) => action === 'allow' && prefixes !== undefined).length;

test('hosts that reach one name at an address each have it in common', () => {
  const deeds = [1, 2, 3, 4].map((last) => [to(API, last)]);
  const { policy, text } = generated(deeds);
  assert.deepEqual(namesIn(policy), [API]);
  assert.equal(addressesIn(policy), 0);
  assert.match(text, /# 4 of 4 hosts, 40 events/);
  assert.doesNotMatch(text, /# withheld/);
  assert.throws(() => generated(deeds, { destinations: 'address' }), /no destination was shown by 3 hosts/);
});

test('a name that too few hosts showed is withheld, at whatever address', () => {
  const good = [to(API, 1)];
  const bad = [...good, to('evil.example.net', 1), to('evil.example.net', 9)];
  const { policy, text } = generated([good, good, good, bad]);
  assert.deepEqual(namesIn(policy), [API]);
  assert.equal(addressesIn(policy), 0);
  assert.match(text, /^# withheld: .*"by":\["web-3"\],"events":20,"to":\["evil\.example\.net:443\/tcp"\]/m);
});

/** The rows of these hosts, in which names that begin with e or f come at the very end. */
function withLateNames(deeds: readonly (readonly Deed[])[]): AggregateRow[] {
  const rows = aggregated(deeds);
  const last = Math.max(...rows.map((row) => row.last));
  for (const row of rows) if (/^[ef]\./.test(row.name)) Object.assign(row, { first: last - 1, last });
  return rows;
}

test('names that one host made up become no wildcard', () => {
  const good = [to(API, 1)];
  const early = ['a', 'b', 'c', 'd'].map((label) => to(`${label}.example.com`, 2));
  const late = ['e', 'f'].map((label) => to(`${label}.example.com`, 3));
  const liar = [...good, ...early, ...late];
  const alone = made(4, withLateNames([good, good, good, liar]), 3);
  assert.deepEqual(namesIn(alone.policy), [API]);
  // The same of enough hosts is one.
  const all = made(4, withLateNames([liar, liar, liar, liar]), 3);
  assert.deepEqual(namesIn(all.policy), ['*.example.com']);
});

const keepOf = ({ policy }: Made): number | undefined =>
  policy.boxes.find(({ to: { names } }) => names !== undefined)?.to.keep;

test('a host that says it needs a name for years makes the time longer for nobody', () => {
  const honest = [10, 20, 30].map((age, place) => [to(API, place, age)]);
  const plain = generated([...honest, [to(API, 1, 0)]]);
  const lying = generated([...honest, [to(API, 77, 400_000_000), to(API, 1, 400_000_000)]]);
  assert.equal(keepOf(lying), keepOf(plain));
  const needed = [10_000, 20_000, 90_000].map((age, place) => [to(API, place, age)]);
  assert.ok((keepOf(generated([...needed, [to(API, 1, 0)]])) ?? 0) >= 10_000);
});

test('what its subject is called besides makes no host enough by itself', () => {
  const good = [to(API, 1)];
  const liar = [to(API, 1, 400_000_000, { ...CURL, command: 'other' })];
  const { policy, text } = generated([good, good, good, liar]);
  assert.match(text, /# 3 of 4 hosts/);
  assert.match(text, /keep 1h covers all but what too few hosts needed \(longest 4629d/);
  assert.deepEqual(
    policy.boxes.filter(({ to: { names } }) => names).map(({ to: { keep } }) => keep ?? 3600),
    [3600],
  );
});

test('one event of one host does not send a service of all back to addresses', () => {
  const deeds = [1, 2, 3, 4].map((last) => [to(API, last)]);
  const rows = aggregated([...deeds, [to(API, 5), to('x.evil.example', 1)]]);
  const last = Math.max(...rows.map((row) => row.last));
  const late = { first: last - 1, last };
  for (const count of [1, 1000]) {
    for (const row of rows) if (row.name !== API) Object.assign(row, late, { count });
    const { policy, text } = made(5, rows, 3);
    assert.deepEqual([namesIn(policy), addressesIn(policy)], [[API], 0]);
    assert.match(text, /^# withheld: .*x\.evil\.example/m);
  }
});

test('what one host alone calls an address does not stand beside a rule for others', () => {
  const rows = aggregated([[unnamed(1)], [unnamed(1)], [unnamed(1)], [unnamed(1)]]);
  Object.assign(rows[0]!, { names: ['made.up.example', 'real.example.com'], nameHosts: [1, 3] });
  const { text } = made(4, rows, 3);
  assert.match(text, /known by real\.example\.com/);
  assert.doesNotMatch(text, /made\.up/);
});

test('a name that a rule would take for many names is none', () => {
  const deeds = [to('*', 1), to('*.com', 2)];
  const { policy } = generated([deeds, deeds, deeds]);
  assert.deepEqual([namesIn(policy), addressesIn(policy)], [[], 1]);
});

test('hosts that know a private address by different names have it in common', () => {
  const db: Deed = { ...unnamed(1), address: '10.0.0.1' };
  const rows = aggregated([[{ ...db, name: 'db.corp.example' }], [{ ...db, name: 'db' }], [db]]);
  const shown = shownAt(fleetRecord(madeHosts(3), rows, { workload: 'web', minHosts: 1 }));
  assert.deepEqual(
    shown.map(({ hosts }) => countHosts(hosts!)),
    [3],
  );
});

test('connections without a name keep an address where enough hosts showed them, and else stand alone', () => {
  const named = [to(API, 1)];
  const few = generated([named, named, named, [...named, unnamed(1)]]);
  assert.deepEqual([namesIn(few.policy), addressesIn(few.policy)], [[API], 0]);
  assert.match(few.text, /^# withheld: .*"by":\["web-3"\].*"to":\["93\.184\.216\.1:443\/tcp"\]/m);
  const both = [...named, unnamed(1)];
  const many = generated([both, both, both, named]);
  assert.deepEqual([namesIn(many.policy), addressesIn(many.policy)], [[], 1]);
  assert.doesNotMatch(many.text, /# withheld/);
});

test('an address that hosts know by different names stays one, where no name would be granted', () => {
  const deeds = ['a', 'b', 'c', 'd'].map((label) => [to(`${label}.example.org`, 1)]);
  const { policy } = generated(deeds);
  assert.deepEqual([namesIn(policy), addressesIn(policy)], [[], 1]);
  assert.throws(() => generated(deeds, { destinations: 'name' }), /no destination was shown by 3 hosts/);
});

test('hosts are compared by names where they go by them', () => {
  const record = fleetRecord(madeHosts(3), aggregated([1, 2, 3].map((last) => [to(API, last)])), {
    workload: 'web',
    minHosts: 1,
  });
  assert.equal(record.observations.length, 3);
  assert.deepEqual(
    shownAt(record).map(({ hosts, name }) => [name, countHosts(hosts!)]),
    [[API, 3]],
  );
});

const deed = fc.record({
  subject: fc.constantFrom(CURL, { ...CURL, exe: '/opt/agent' }),
  address: fc.constantFrom(at(1), at(2), at(3), '10.0.0.1'),
  port: fc.constantFrom(80, 443),
  name: fc.constantFrom('', '', API, 'b.example.com', 'c.example.org'),
  age: fc.constantFrom(0, 5000, 100_000),
});
const fleet = fc.array(fc.array(deed, { minLength: 1, maxLength: 10 }), { minLength: 2, maxLength: 8 });

test('of a random fleet nothing that was withheld is allowed, and the order of rows changes nothing', () => {
  let [byName, withheld] = [0, 0];
  fc.assert(
    fc.property(fleet, fc.constantFrom(1, 2, 3), (deeds, minHosts) => {
      const rows = aggregated(deeds);
      const outcomeOf = (list: readonly AggregateRow[]): Made | string => {
        try {
          return made(deeds.length, list, minHosts);
        } catch (error) {
          return (error as Error).message;
        }
      };
      const [one, other] = [outcomeOf(rows), outcomeOf(rows.toReversed())];
      if (typeof one === 'string' || typeof other === 'string') {
        assert.equal(one, other);
        return;
      }
      assert.equal(one.text, other.text);
      const judge = compileEvaluator(one.policy);
      byName += namesIn(one.policy).length;
      for (const { observations } of one.result.quorum!.withheld) {
        for (const each of observations) {
          withheld++;
          assert.equal(judge(flowOf(each)).box, undefined, one.text);
        }
      }
    }),
    { numRuns: 300 },
  );
  assert.ok(byName > 50 && withheld > 50, `${byName} ${withheld}`);
});
