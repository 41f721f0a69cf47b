import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commandChange } from '../../../../fleet/release/command.ts';
import { openGate } from '../../../../fleet/release/gate.ts';
import { memoryOf } from '../../../../fleet/release/memory.ts';
import { type Plan, readPlan } from '../../../../fleet/release/plan.ts';
import { View } from '../../../../fleet/release/view.ts';
import { type Held, wanted } from '../../../../fleet/release/wanted.ts';
import fc from '../../../arbitrary/fast-check.ts';
import { type Look, type Manner, NEW, OLD, World } from './world.ts';

/** What may happen between two looks of a leader. */
type Event =
  | { it: 'time'; seconds: number }
  | { it: 'look' }
  | { it: 'decide'; leader: 0 | 1 }
  | { it: 'write'; leader: 0 | 1 }
  | { it: 'deliver' }
  | { it: 'host'; at: number; online?: boolean; manner?: Manner; state?: 'active' | 'quarantined' }
  | { it: 'denials'; at: number; regressed: number; denied: number }
  | { it: 'join' }
  | { it: 'order'; action: 'pause' | 'resume' | 'abort' }
  | { it: 'engine away' };

const leader = fc.constantFrom<0 | 1>(0, 1);
const at = fc.nat({ max: 11 });

const event: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ it: fc.constant('time'), seconds: fc.integer({ min: 1, max: 4000 }) }),
  },
  { weight: 6, arbitrary: fc.record({ it: fc.constant('decide'), leader }) },
  { weight: 6, arbitrary: fc.record({ it: fc.constant('write'), leader }) },
  { weight: 8, arbitrary: fc.constant({ it: 'look' }) },
  { weight: 8, arbitrary: fc.constant({ it: 'deliver' }) },
  {
    weight: 2,
    arbitrary: fc.record(
      {
        it: fc.constant('host'),
        at,
        online: fc.boolean(),
        manner: fc.constantFrom<Manner>('fine', 'fine', 'fine', 'refuses', 'falls back', 'dies', 'mute'),
        state: fc.constantFrom<'active' | 'quarantined'>('active', 'active', 'quarantined'),
      },
      { requiredKeys: ['it', 'at'] },
    ),
  },
  {
    weight: 1,
    arbitrary: fc.record({ it: fc.constant('denials'), at, regressed: fc.nat(2), denied: fc.nat(9) }),
  },
  { weight: 1, arbitrary: fc.constant({ it: 'join' }) },
  {
    weight: 1,
    arbitrary: fc.record({ it: fc.constant('order'), action: fc.constantFrom('pause', 'resume', 'abort') }),
  },
  { weight: 1, arbitrary: fc.constant({ it: 'engine away' }) },
) as fc.Arbitrary<Event>;

const plan: fc.Arbitrary<Plan> = fc
  .array(
    fc.record({
      hosts: fc.constantFrom('1%', '10%', '50%', 'all'),
      mode: fc.constantFrom('monitor', 'block'),
      soak: fc.constantFrom('0s', '10m', '1h'),
    }),
    { maxLength: 4 },
  )
  .map((stages) => readPlan({ stages: [...stages, { hosts: 'all', soak: '5m' }] }, 'block').plan);

/** Two leaders, each with what it read and decided last; either may be late by any number of steps. */
class Rivals {
  readonly #world: World;
  readonly #seen: (Look | undefined)[] = [];
  readonly #decided: (ReturnType<World['decide']> | undefined)[] = [];

  constructor(world: World) {
    this.#world = world;
  }

  decide(who: 0 | 1): void {
    this.#seen[who] = this.#world.look();
    this.#decided[who] = this.#world.decide(this.#seen[who]);
  }

  write(who: 0 | 1): void {
    const seen = this.#seen[who];
    const decided = this.#decided[who];
    if (!seen || !decided) return;
    const before = this.#world.release;
    if (this.#world.write(seen.release, decided)) assertPassed(this.#world, before, seen);
  }
}

/** A stage that passed had no open gate in what was read, and hosts of it had confirmed. */
function assertPassed(world: World, before: World['release'], seen: Look): void {
  const passed =
    before.state === 'running' &&
    memoryOf(before).entered >= 0 &&
    (world.release.state === 'done' || memoryOf(world.release).entered > memoryOf(before).entered);
  if (!passed) return;
  const view = new View(seen.release, memoryOf(seen.release), seen.views, seen);
  assert.equal(openGate(view), undefined);
  assert.ok(view.members.some((each) => each.placement.state === 'confirmed' && view.isOnline(each)));
}

/** The modes that the plan has had so far. */
function modesSoFar(world: World): Set<string> {
  const { entered, plan: own } = memoryOf(world.release);
  return new Set(own.stages.slice(0, entered + 1).map(({ mode }) => mode));
}

function assertSound(world: World): void {
  const modes = modesSoFar(world);
  for (const [id, { holds }] of world.all) {
    const placement = world.placements.get(id);
    const want = wanted(world.release, placement);
    if (want) assertAllowed(want, modes);
    if (holds) assertAllowed(holds, modes);
    const isBack = world.release.state === 'rolled-back' && want?.digest === NEW;
    if (isBack) assert.equal(want.mode, 'monitor');
  }
}

/** The policy before, or the new one in a mode that a stage so far has. */
function assertAllowed({ digest, mode }: Held, modes: ReadonlySet<string>): void {
  assert.ok(digest === OLD || (digest === NEW && (mode === 'monitor' || modes.has('block'))));
}

function happen(world: World, rivals: Rivals, it: Event): void {
  const [, machine] = 'at' in it ? world.all[it.at % world.machines.size]! : [];
  switch (it.it) {
    case 'time':
      world.now += it.seconds * 1000;
      return;
    case 'look':
      return world.lead();
    case 'decide':
      return rivals.decide(it.leader);
    case 'write':
      return rivals.write(it.leader);
    case 'deliver':
      return world.deliver();
    case 'host':
      if (it.online !== undefined) machine!.online = it.online;
      if (it.manner !== undefined) machine!.manner = it.manner;
      if (it.state !== undefined) machine!.row.state = it.state;
      return;
    case 'denials':
      machine!.denials = { ...machine!.denials, regressed: it.regressed, denied: it.denied };
      return;
    case 'join':
      return world.join(`n${world.machines.size}`);
    case 'order':
      world.release = { ...world.release, ...commandChange(world.release, it.action, 'asked', world.now) };
      return;
    case 'engine away':
      world.observedSince = world.now;
  }
}

const history = fc.record({
  plan,
  hosts: fc.integer({ min: 1, max: 12 }),
  previous: fc.boolean(),
  events: fc.array(event, { minLength: 20, maxLength: 120 }),
});

test('whatever happens, with two leaders, no host blocks before its stage and no stage passes an open gate', () => {
  fc.assert(
    fc.property(history, ({ events, hosts, plan: own, previous }) => {
      const world = new World(own, hosts, { previous });
      const rivals = new Rivals(world);
      for (const each of events) {
        happen(world, rivals, each);
        assertSound(world);
      }
    }),
    { numRuns: 300 },
  );
});

test('whatever has happened, a release ends once all hosts are well again', () => {
  fc.assert(
    fc.property(history, ({ events, hosts, plan: own, previous }) => {
      const world = new World(own, hosts, { previous });
      const rivals = new Rivals(world);
      for (const each of events) happen(world, rivals, each);
      for (const [, machine] of world.all) Object.assign(machine, { online: true, manner: 'fine' });
      for (const [, machine] of world.all) machine.row.state = 'active';
      world.pass(600, 60);
      if (world.release.state === 'paused') {
        world.release = { ...world.release, ...commandChange(world.release, 'resume', '', world.now) };
      }
      world.pass(24_000, 120);
      assert.ok(
        ['done', 'rolled-back'].includes(world.release.state),
        `${world.release.state}: ${world.waitsFor}`,
      );
      const want = world.all.map(([id, { holds }]) => [
        holds,
        wanted(world.release, world.placements.get(id)),
      ]);
      const refused = [...world.placements.values()].some(
        ({ state }) => state === 'refused' || state === 'fallback',
      );
      for (const [holds, one] of want) if (one && !refused) assert.deepEqual(holds, one);
    }),
    { numRuns: 150 },
  );
});

test('a look that changes nothing is the same the second time', () => {
  fc.assert(
    fc.property(history, ({ events, hosts, plan: own, previous }) => {
      const world = new World(own, hosts, { previous });
      for (const each of events) happen(world, new Rivals(world), each);
      const seen = world.look();
      assert.deepEqual(world.decide(seen), world.decide(seen));
      for (let looks = 0; looks < 12; looks++) world.lead();
      const last = world.decide();
      assert.deepEqual([last.change, last.placements], [{}, []]);
    }),
    { numRuns: 100 },
  );
});
