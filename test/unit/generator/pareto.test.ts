import assert from 'node:assert/strict';
import test from 'node:test';
import type { LogEvent } from '../../bench/generate/data.ts';
import { observe } from '../../bench/generate/observe.ts';
import { beats, compare, type Point } from '../../bench/generate/pareto.ts';
import { FLAT, GIVES_UP } from '../../bench/generate/rival.ts';
import { publishedOwners, splits } from '../../bench/generate/split.ts';
import { START } from './fixture.ts';
import { Random } from './random.ts';

/** A program and where it goes: its own servers, or a pool of which it sees one address after the other. */
interface Habit {
  command: string;
  user: string;
  base: number;
  width: number;
  ports: number[];
}

/** A day and a half of a host with some twenty programs, half of them with pools; users and programs have habits of their own. */
function hostEvents(random: Random): LogEvent[] {
  const habits = Array.from({ length: 24 }, (_, at): Habit => ({
    command: `program${at % 20}`,
    user: String([0, 33, 1000][random.below(3)]),
    base: 0x34000000 + random.below(2 ** 16) * 256 + random.below(200),
    width: random.below(2) === 0 ? 1 + random.below(3) : 8 + random.below(40),
    ports: [443, 80, 5432, 9092, 22].slice(0, 1 + random.below(3)),
  }));
  return Array.from({ length: 2000 }, (_, at): LogEvent => {
    const { base, command, ports, user, width } = habits[Math.floor(habits.length * random.next() ** 2)]!;
    return {
      time: START + at * 60_000_000,
      host: 'host',
      command,
      exe: `/usr/bin/${command}`,
      user,
      container: '',
      capture: '',
      family: 4,
      address: BigInt(base + random.below(width)),
      addressText: '',
      port: ports[random.below(ports.length)]!,
      protocol: 6,
    };
  });
}

function describe(points: readonly Point[]): string {
  return points
    .map(({ falseDenies, name, volume }) => `${name}: ${falseDenies.toFixed(4)}, ${volume.toFixed(2)}`)
    .join('\n');
}

test('no other learner beats the default or the suggested budget on later traffic of hosts with habits', () => {
  for (let seed = 1; seed <= 6; seed++) {
    const events = hostEvents(new Random(seed));
    for (const share of [0.7, 0.8]) {
      const cut = Math.floor(events.length * share);
      const { beyond, standard, suggested, theirs } = compare(
        observe(events.slice(0, cut)),
        observe(events.slice(cut)),
      );
      const all = `seed ${seed}, ${share}\n${describe([standard, suggested, ...theirs])}`;
      for (const their of theirs) {
        assert.ok(!beats(their, standard) && !beats(their, suggested), all);
        assert.ok(standard.volume < their.volume, all);
      }
      // Who gives up on a subject gives more than ours for the same.
      assert.ok(!beyond.some(({ name }) => name === FLAT || name === GIVES_UP), all);
    }
  }
});

const real = splits();
const missing = real === undefined && 'the data sets are not beside the repository';
test('no other learner beats ours on later traffic of real hosts', { skip: missing }, () => {
  const owners = publishedOwners();
  for (const { history, later, name } of real!) {
    const { beaten, beyond, ours, suggested, theirs } = compare(history, later, owners);
    const all = `${name}\n${describe([...ours, suggested, ...theirs])}`;
    assert.equal(describe(beaten), '', all);
    assert.equal(describe(beyond), '', all);
    assert.ok(!theirs.some((their) => beats(their, suggested)), all);
  }
});
