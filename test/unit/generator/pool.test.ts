/** Containers of one image that behave alike share a rule, where that holds better. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generatePolicy } from '../../../generator/generate.ts';
import { printPolicy } from '../../../policy/file/print.ts';
import { compileEvaluator } from '../../../policy/meaning/evaluator.ts';
import { flowOf } from '../../../generator/subject/flow.ts';
import type { RecordedObservation } from '../../../profiler/read/read.ts';
import { input, observed, OPTIONS, policyOf } from './fixture.ts';
import { Random } from './random.ts';

const SHARED = 8;

/** Events of a container in the tenths in which it runs, at one destination. */
function seen(container: string, address: number, tenths: readonly number[], image = 'app:1') {
  const blocks = Array.from({ length: 10 }, (_, tenth) => (tenths.includes(tenth) ? 5 : 0));
  return observed({
    address: BigInt(0x0a000000 + address),
    count: 5 * tenths.length,
    blocks,
    subject: { inContainer: true, container, image },
  });
}

/** Replicas that come one after the other, and all go to the same places. */
function replicas(image = 'app:1', stem = 'replica'): RecordedObservation[] {
  return Array.from({ length: 5 }, (_, at) =>
    Array.from({ length: SHARED }, (_each, address) =>
      seen(`${stem}-${at}`, address, [2 * at, 2 * at + 1], image),
    ),
  ).flat();
}

function generate(observations: readonly RecordedObservation[], by: 'auto' | 'container' = 'auto') {
  const generated = generatePolicy(input(observations), { ...OPTIONS, by });
  return { ...generated, text: printPolicy(generated.document) };
}

test('replicas that come one after the other share a rule for their image, which says why', () => {
  const observations = replicas();
  const { document, holdOut, pools, text } = generate(observations);
  assert.deepEqual(
    document.allow!.map(({ from }) => from),
    [{ image: ['app:1'], uid: [1000] }],
  );
  assert.equal(pools.length, 1);
  assert.deepEqual(
    { ...pools[0], containers: pools[0]!.containers.length },
    { image: 'app:1', containers: 5, events: 400, deniedByContainer: 320, deniedByImage: 0 },
  );
  assert.deepEqual([holdOut.events, holdOut.denied], [80, 0]);
  assert.match(
    text,
    /^# Pool: 5 containers of image app:1 share a rule: by container 80 % of what came next was new, by image 0 %$/m,
  );
  assert.match(text, /# by image: 5 containers of it behave alike$/m);
});

test('a container of the image whose destinations are its own keeps its rule, and nobody else gets them', () => {
  const own = Array.from({ length: 20 }, (_, at) => seen('odd', 100 + at, [0, 3, 6]));
  const { document, pools, text } = generate([...replicas(), ...own]);
  assert.ok(!pools[0]!.containers.includes('odd'));
  assert.deepEqual(
    document.allow!.map(({ from }) => from),
    [
      { container: ['odd'], uid: [1000] },
      { image: ['app:1'], uid: [1000] },
    ],
  );
  const judge = compileEvaluator(policyOf(text));
  const at = flowOf(seen('replica-0', 100, [0]));
  assert.equal(judge(at).action, 'deny');
});

test('no rule is shared where that gains nothing, where too little was seen, or where rules by container were asked for', () => {
  const steady = Array.from({ length: 5 }, (_, at) =>
    Array.from({ length: SHARED }, (_each, address) => seen(`replica-${at}`, address, [0, 4, 8])),
  ).flat();
  const two = replicas().filter(({ subject }) => ['replica-0', 'replica-4'].includes(subject.container!));
  const apart = replicas().map((each, at) => Object.assign(each, { address: BigInt(0x0a000000 + at) }));
  for (const observations of [steady, two, apart])
    assert.deepEqual(
      new Set(generate(observations).document.allow!.flatMap(({ from }) => Object.keys(from!))),
      new Set(['container', 'uid']),
    );
  assert.deepEqual(generate(replicas(), 'container').pools, []);
});

test('images are judged each for itself, in any order of the record, and replay denies nothing', () => {
  const observations = [...replicas(), ...replicas('web:2', 'web'), seen('alone', 50, [0, 9], 'db:3')];
  const { pools, text } = generate(observations);
  assert.deepEqual(
    pools.map(({ image }) => image),
    ['app:1', 'web:2'],
  );
  const random = new Random(5);
  const shuffled = observations.toSorted(() => random.next() - 0.5);
  assert.equal(generate(shuffled).text, text);
  const judge = compileEvaluator(policyOf(text));
  for (const each of observations) assert.equal(judge(flowOf(each)).action, 'allow');
});
