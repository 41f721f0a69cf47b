import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ReleaseState } from '../../../../fleet/engine/engine.ts';
import { commandChange } from '../../../../fleet/release/command.ts';
import { defaultPlan, type Plan } from '../../../../fleet/release/plan.ts';
import { NEW, OLD, START, World } from './world.ts';

const HOUR = 3600;

/** The stage in which the world's plan is, by name. */
const stageOf = ({ release }: World): string =>
  (release.plan as { plan: Plan }).plan.stages[release.stage]!.name;

/** A world in which the canaries hold the release. */
function withCanaries(hosts = 300): World {
  const world = new World(defaultPlan('block'), hosts, { zones: 3 });
  world.pass(300);
  assert.equal(world.holding('monitor').length, 3);
  return world;
}

test('a release goes from a canary that only reports to all hosts', () => {
  const world = new World(defaultPlan('block'), 300, { zones: 3 });
  const seen: [string, number, number][] = [];
  for (let hour = 0; hour < 6; hour++) {
    world.pass(HOUR);
    const last = [stageOf(world), world.holding('monitor').length, world.holding('block').length] as const;
    seen.push([...last]);
  }
  world.pass(300);
  assert.deepEqual(seen.slice(0, 5), [
    ['monitor canary', 3, 0],
    ['block canary', 0, 3],
    ['10 %', 0, 30],
    ['50 %', 0, 150],
    ['all', 0, 300],
  ]);
  assert.equal(world.release.state, 'done');
  assert.deepEqual(world.history, ['done']);
});

test('canaries are spread over the zones', () => {
  const world = withCanaries();
  const zones = world.holding('monitor').map((id) => world.machine(id).row.labels['zone']);
  assert.deepEqual(zones.toSorted(), ['z0', 'z1', 'z2']);
});

test('in a workload of one host each mode is tried once', () => {
  const world = new World(defaultPlan('block'), 1);
  world.pass(HOUR / 2);
  assert.equal(world.holding('monitor').length, 1);
  world.pass(2 * HOUR);
  assert.equal(world.holding('block').length, 1);
  assert.equal(world.release.state, 'done');
});

test('one host that refuses halts the release, and all go back', () => {
  const world = withCanaries();
  world.pass(2 * HOUR);
  world.machine('h7').manner = 'refuses';
  for (const [, machine] of world.all) if (machine.holds?.digest === OLD) machine.manner = 'refuses';
  world.pass(2 * HOUR);
  assert.deepEqual(world.history, ['halted', 'rolling-back', 'rolled-back']);
  assert.match(world.release.reason, /refused it .*line 3: no such user/);
  assert.ok(world.all.every(([, { holds }]) => holds?.digest === OLD && holds.mode === 'block'));
});

for (const manner of ['falls back', 'dies', 'mute'] as const) {
  test(`one canary that ${manner} halts the release`, () => {
    const world = new World(defaultPlan('block'), 30);
    for (const [, machine] of world.all) machine.manner = manner;
    world.pass(900);
    assert.equal(world.history[0], 'halted');
    assert.match(world.release.reason, /1 host did not confirm it/);
  });
}

test('later less than 2 % of the hosts may fail, and a host that falls silent long after is none of them', () => {
  const world = new World(defaultPlan('block'), 300);
  world.pass(3.1 * HOUR);
  assert.equal(stageOf(world), '50 %');
  const placed = world.holding('block');
  for (const id of placed.slice(0, 2)) world.machine(id).online = false;
  world.pass(1800);
  assert.equal(world.release.state, 'running');
  for (const id of placed.slice(2, 60)) world.machine(id).online = false;
  world.pass(600);
  assert.equal(world.release.state, 'running');
});

test('hosts that are away come later and stop nothing', () => {
  const world = new World(defaultPlan('block'), 300);
  for (const [, machine] of world.all.slice(0, 120)) {
    machine.online = false;
    machine.row.lastSeen = START - 1e8;
  }
  world.pass(6 * HOUR);
  assert.equal(world.release.state, 'done');
  assert.equal(world.holding('block').length, 180);
  assert.equal([...world.placements.values()].filter(({ state }) => state === 'pending').length, 120);
  for (const [, machine] of world.all) machine.online = true;
  world.pass(120);
  assert.equal(world.holding('block').length, 300);
});

test('regressions on two hosts halt, one among many does not', () => {
  const world = new World(defaultPlan('block'), 300);
  world.pass(3.1 * HOUR);
  const [first, second] = world.holding('block');
  world.machine(first!).denials.regressed = 4;
  world.pass(120);
  assert.equal(world.release.state, 'running');
  world.machine(second!).denials.regressed = 1;
  world.pass(120);
  assert.match(world.release.reason, /it denies what 2 hosts did before/);
});

test('a regression on a lonely canary halts', () => {
  const world = new World(defaultPlan('block'), 3);
  world.pass(120);
  world.machine(world.holding('monitor')[0]!).denials.regressed = 1;
  world.pass(120);
  assert.notEqual(world.release.state, 'running');
});

test('denials far above what is usual in this workload halt', () => {
  const world = new World(defaultPlan('block'), 30);
  for (const [, machine] of world.all) machine.denials.before = 100 + (Number(machine.row.id.slice(1)) % 5);
  world.pass(120);
  const [canary] = world.holding('monitor');
  world.machine(canary!).denials.denied = 107;
  world.pass(120);
  assert.equal(world.release.state, 'running');
  world.machine(canary!).denials.denied = 108;
  world.pass(120);
  assert.match(world.release.reason, /far more than usual on 1 host/);
});

test('trips of the breaker count from when the host was placed', () => {
  const world = new World(defaultPlan('block'), 300);
  for (const [, machine] of world.all) machine.row.breakerTrips = 2;
  world.pass(3.1 * HOUR);
  assert.equal(world.release.state, 'running');
  const [first, second] = world.holding('block');
  for (const id of [first!, second!]) world.machine(id).row.breakerTrips = 3;
  world.pass(120);
  assert.match(world.release.reason, /the breaker opened on 2 hosts/);
});

test('a stage that too few hosts reach is paused, and goes on when resumed', () => {
  const world = new World(defaultPlan('block'), 100);
  world.pass(2.1 * HOUR);
  assert.equal(stageOf(world), '10 %');
  // The hub cannot offer it to them: they answer, and hold what was before.
  const deliver = world.deliver.bind(world);
  world.deliver = () => {
    for (const [, machine] of world.all) machine.row.lastSeen = world.now;
  };
  world.pass(2 * HOUR);
  assert.equal(world.release.state, 'paused');
  assert.match(world.release.reason, /10 of 50 online hosts confirmed in the soak of 50 %/);
  const change = commandChange(world.release, 'resume', '', world.now);
  world.release = { ...world.release, ...change };
  world.deliver = deliver;
  world.pass(4 * HOUR);
  assert.equal(world.release.state, 'done');
});

test('no stage passes while nothing is heard of its hosts, and nothing halts for it', () => {
  const world = withCanaries();
  for (const [, machine] of world.all) machine.online = false;
  world.observedSince = world.now + 1e12;
  world.pass(5 * HOUR);
  assert.equal(world.release.state, 'running');
  assert.equal(stageOf(world), 'monitor canary');
  for (const [, machine] of world.all) machine.online = true;
  world.observedSince = world.now;
  world.pass(60);
  assert.equal(stageOf(world), 'monitor canary');
  world.pass(300);
  assert.equal(stageOf(world), 'block canary');
});

test('a stage waits, and says so, while it is not known what its hosts were denied', () => {
  for (const what of ['full', 'unsent'] as const) {
    const world = withCanaries();
    const [id] = world.holding('monitor');
    const machine = world.machine(id!);
    const fill = (much: boolean): void => {
      machine.denials = { ...machine.denials, full: much && what === 'full' };
      machine.row.unsentRows = much && what === 'unsent' ? 1001 : 1000;
    };
    fill(true);
    world.pass(5 * HOUR);
    const reason = {
      full: `the evidence of 1 host is beyond what is kept of a week (host-${id})`,
      unsent: `1 host has not sent all of its evidence (host-${id})`,
    }[what];
    assert.deepEqual([world.release.state, stageOf(world)], ['running', 'monitor canary']);
    assert.deepEqual([world.release.reason, world.waitsFor], [reason, reason]);
    fill(false);
    world.pass(60);
    assert.deepEqual([stageOf(world), world.release.reason], ['block canary', '']);
    // A host that does not count is not waited for.
    fill(true);
    machine.row.state = 'quarantined';
    world.pass(5 * HOUR);
    assert.equal(world.release.state, 'done');
  }
});

test('an open gate halts although evidence is missing', () => {
  const world = new World(defaultPlan('block'), 1);
  world.pass(60);
  const machine = world.machine('h0');
  machine.denials = { ...machine.denials, full: true, denied: 100 };
  world.pass(60);
  assert.match(world.history.join(), /^halted/);
});

test('a host that has come back is not silent before its sign of life is written', () => {
  for (const state of ['offered', 'applied', 'confirmed'] as const) {
    const world = withCanaries();
    const [id] = world.holding('monitor');
    const machine = world.machine(id!);
    machine.online = false;
    machine.row.lastSeen = world.now - 600_000;
    world.placements.set(id!, { ...world.placements.get(id!)!, state, since: world.now });
    world.now += 5000;
    world.lead();
    assert.equal(world.release.state, 'running', state);
    world.pass(180);
    assert.match(world.history.join(), /^halted/, state);
  }
});

test('canaries that went away long after they had answered prove nothing', () => {
  const world = withCanaries();
  world.pass(1200);
  for (const id of world.holding('monitor')) world.machine(id).online = false;
  world.pass(3 * HOUR);
  assert.equal(world.release.state, 'running');
  assert.equal(stageOf(world), 'monitor canary');
  assert.equal(world.waitsFor, 'no host that holds it is online');
});

test('a stage soaks through the hour of the day that it names', () => {
  const plan = defaultPlan('block');
  plan.stages[0]!.through = 14;
  const world = new World(plan, 300);
  world.pass(6.9 * HOUR);
  assert.equal(stageOf(world), 'monitor canary');
  world.pass(0.3 * HOUR);
  assert.equal(stageOf(world), 'block canary');
});

function possible(state: ReleaseState): string[] {
  return (['pause', 'resume', 'abort'] as const).filter((action) => commandChange({ state }, action, '', 0));
}

test('an operator pauses, resumes and aborts, each only where it means something', () => {
  assert.deepEqual(possible('running'), ['pause', 'abort']);
  assert.deepEqual(possible('paused'), ['resume', 'abort']);
  assert.deepEqual(possible('halted'), []);
  assert.deepEqual(possible('done'), []);
  const world = withCanaries();
  world.release = { ...world.release, ...commandChange(world.release, 'abort', 'aborted by ann', world.now) };
  world.pass(120);
  assert.deepEqual([world.release.state, world.release.reason], ['rolled-back', 'aborted by ann']);
  assert.ok(world.all.every(([, { holds }]) => holds?.digest === OLD));
});

test('a release without one before goes back to reporting, and to no further host', () => {
  const world = new World(defaultPlan('block'), 300, { previous: false });
  world.pass(2 * HOUR + 300);
  assert.equal(world.holding('block').length, 30);
  const away = [...world.placements.values()].find(({ stage }) => stage === 2);
  world.release = { ...world.release, ...commandChange(world.release, 'abort', 'no', world.now) };
  world.placements.set(away!.host, { ...away!, state: 'pending' });
  const machine = world.machine(away!.host);
  Object.assign(machine, { holds: undefined, online: false });
  world.pass(120);
  machine.online = true;
  world.pass(120);
  assert.equal(world.release.state, 'rolled-back');
  assert.equal(world.holding('block').length, 0);
  assert.equal(world.holding('monitor').length, 29);
});

test('hosts in quarantine are in no stage and open no gate; they follow when it is done', () => {
  const world = new World(defaultPlan('block'), 40);
  for (const [, machine] of world.all.slice(0, 20)) {
    machine.row.state = 'quarantined';
    machine.manner = 'refuses';
    machine.denials.regressed = 9;
  }
  world.pass(6 * HOUR);
  assert.equal(world.release.state, 'done');
  assert.equal(world.holding('block').length, 20);
  assert.equal(world.machine('h3').holds?.digest, OLD);
});

test('hosts that take no policies are left out, until they do', () => {
  const world = new World(defaultPlan('block'), 40);
  const learners = world.all.slice(0, 20).map(([, machine]) => machine);
  for (const machine of learners) {
    machine.row.features = [];
    machine.manner = 'refuses';
    machine.holds = undefined;
  }
  world.pass(6 * HOUR);
  assert.deepEqual([world.release.state, world.holding('block').length], ['done', 20]);
  assert.equal([...world.placements.values()].filter(({ stage }) => stage >= 0).length, 20);
  learners[0]!.row.features = ['enforce'];
  learners[0]!.manner = 'fine';
  world.pass(120);
  assert.deepEqual(learners[0]!.holds, { digest: NEW, mode: 'block' });
});

test('a canary that takes no policies any more is replaced by another one', () => {
  const world = new World(defaultPlan('block'), 40);
  world.pass(300);
  const [first] = world.holding('monitor');
  world.machine(first!).row.features = [];
  world.pass(300);
  const others = world.holding('monitor').filter((id) => id !== first);
  assert.equal(others.length, 1);
  world.pass(6 * HOUR);
  assert.equal(world.release.state, 'done');
});

test('a release that no host can take waits, and says so', () => {
  const world = new World(defaultPlan('block'), 3);
  for (const [, machine] of world.all) machine.row.features = [];
  world.pass(300);
  assert.deepEqual(
    [world.release.state, world.release.reason],
    ['running', 'no host of the workload takes policies'],
  );
  for (const [, machine] of world.all) machine.row.features = ['enforce'];
  world.pass(60);
  assert.deepEqual([stageOf(world), world.release.reason], ['monitor canary', '']);
});

test('a host that comes in the middle holds the policy before, and the new one at the end', () => {
  const world = withCanaries();
  world.join('late');
  world.machine('late').holds = undefined;
  world.pass(120);
  assert.equal(world.machine('late').holds?.digest, OLD);
  world.pass(6 * HOUR);
  world.join('later');
  world.machine('later').holds = undefined;
  world.pass(120);
  assert.equal(world.machine('late').holds?.digest, NEW);
  assert.deepEqual(world.machine('later').holds, { digest: NEW, mode: 'block' });
});

test('of two leaders that begin a stage in the same millisecond, one does', () => {
  const world = new World(defaultPlan('block'), 100);
  const [first, second] = [world.look(), world.look()];
  assert.ok(world.write(first.release, world.decide(first)));
  assert.equal(world.placements.size, 1);
  // The second has read the release before, and the placements after.
  const late = world.decide({ ...world.look(), release: second.release });
  assert.ok(!world.write(second.release, late));
  assert.equal(world.placements.size, 1);
});
