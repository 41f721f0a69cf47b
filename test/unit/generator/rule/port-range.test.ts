import assert from 'node:assert/strict';
import test from 'node:test';
import { generatePolicy } from '../../../../generator/generate.ts';
import { findSuperfluous } from '../../../../generator/prove.ts';
import { chosenRanges } from '../../../../generator/rule/port-range.ts';
import { printPolicy } from '../../../../policy/file/print.ts';
import { evaluate } from '../../../../policy/meaning/evaluate.ts';
import { flowOf } from '../../../../generator/subject/flow.ts';
import { Random } from '../random.ts';
import { input, observed, OPTIONS, policyOf, print } from '../fixture.ts';

/** Passive FTP: the server chooses a port for each transfer. */
function passive(count: number, first = 50_000, size = 3000): number[] {
  const random = new Random(5);
  const ports = new Set<number>();
  while (ports.size < count) ports.add(first + random.below(size));
  return [...ports].sort((a, b) => a - b);
}

const transfers = (ports: readonly number[]) =>
  [21, ...ports].map((port) => observed({ port, count: 3, blocks: [1, 0, 0, 0, 1, 0, 0, 0, 0, 1] }));

test('ports that a service chooses anew each time become a range, others stay as they are', () => {
  const ports = passive(181);
  assert.deepEqual(chosenRanges([21, ...ports]), [
    { first: 21, last: 21 },
    { first: ports[0], last: ports.at(-1) },
  ]);
  // Two services with ranges of their own.
  const [low, high] = [passive(60, 20_000, 500), passive(60, 60_000, 500)];
  assert.deepEqual(chosenRanges([...low, ...high]), [
    { first: low[0], last: low.at(-1) },
    { first: high[0], last: high.at(-1) },
  ]);
  assert.equal(chosenRanges(passive(31)), undefined);
  assert.equal(chosenRanges(Array.from({ length: 100 }, (_, at) => at + 1)), undefined);
  // All of them were seen: that is no guess.
  assert.equal(chosenRanges(Array.from({ length: 100 }, (_, at) => at + 5000)), undefined);
});

test('the over-grant of a range is told and marked, the next port is allowed, and nothing is superfluous', () => {
  const ports = passive(181);
  const made = generatePolicy(input(transfers(ports)), OPTIONS);
  const text = printPolicy(made.document);
  const [first, last] = [ports[0]!, ports.at(-1)!];
  const allowed = (last - first + 2).toLocaleString('en');
  assert.ok(text.includes(`port: [21, "${first}-${last}"]`), text);
  assert.ok(
    text.includes(`# review: range of ports, 182 of ${allowed} seen: 10.0.0.1 ${first}-${last}/tcp\n`),
    text,
  );
  assert.match(text, /^# Ports: 1 destination with ranges, [\d,]+ ports allowed for 182 that were seen/m);
  const policy = policyOf(text);
  const next = ports.find((port, at) => ports[at + 1] !== port + 1)! + 1;
  assert.equal(evaluate(policy, flowOf(observed({ port: next }))).action, 'allow');
  assert.equal(evaluate(policy, flowOf(observed({ port: next, address: 0x0a000002n }))).action, 'deny');
  assert.equal(evaluate(policy, flowOf(observed({ port: last + 1 }))).action, 'deny');
  const observations = made.demands.flatMap((demand) => demand.observations);
  assert.deepEqual(findSuperfluous(made.rules, made.names, made.lists, observations), []);
  assert.doesNotMatch(print(transfers(ports), { exactPorts: true }), /range of ports|# Ports:/);
});

test('the hold-out is that of a policy with ranges', () => {
  const late = passive(181).map((port, at) =>
    observed({
      port,
      count: 1,
      blocks: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0].map((_, tenth) => (tenth === at % 10 ? 1 : 0)),
    }),
  );
  const shareOf = (exactPorts: boolean) => {
    const { denied, events } = generatePolicy(input(late), { ...OPTIONS, exactPorts }).holdOut;
    return denied / events;
  };
  assert.equal(shareOf(true), 1);
  assert.ok(shareOf(false) < 0.1, String(shareOf(false)));
});
