import { Random } from '../../../unit/generator/random.ts';
import type { SeriesEvent } from './cut.ts';

const HOUR = 3600;
const DAY = 24 * HOUR;

/** A host whose future is known, as it was made by the same chance as its past. */
type Maker = (random: Random, add: (time: number, subject: string, place: number | string) => void) => void;

/** Busy places are gone to most: the n-th as often as 1/n to the power of `steep`. */
function ranked(random: Random, places: number, steep: number): number {
  const weights = Array.from({ length: places }, (_, at) => (at + 1) ** -steep);
  let left = random.next() * weights.reduce((sum, each) => sum + each, 0);
  return weights.findIndex((weight) => (left -= weight) <= 0);
}

function times(count: number, work: (at: number) => void): void {
  for (let at = 0; at < count; at++) work(at);
}

const MAKERS: Readonly<Record<string, Maker>> = {
  'an agent with four places': (random, add) =>
    times(2000, (at) => add(at * 300 + random.next() * 60, 'agent', Math.floor(random.next() * 4))),
  'a browser': (random, add) =>
    times(3000, () => add(random.next() * 7 * DAY, 'browser', ranked(random, 2000, 1.1))),
  'an office': (random, add) =>
    times(2100, (at) => {
      const day = Math.floor(at / 300) * DAY;
      add(day + (9 + random.next() * 9) * HOUR, 'mail', ranked(random, 300, 1.3));
    }),
  'a backup each night, with another place each third': (random, add) => {
    times(1500, () => add(random.next() * 10 * DAY, 'web', ranked(random, 30, 1.5)));
    times(800, (at) => {
      const day = Math.floor(at / 80);
      add(
        day * DAY + (2 + random.next() / 6) * HOUR,
        'backup',
        (at % 5) + (day > 2 && day % 3 === 0 ? 5 : 0),
      );
    });
  },
  'five days of twenty-six': (random, add) =>
    times(2000, (at) => {
      const day = [0, 1, 12, 24, 25][Math.floor(at / 400)]!;
      add(day * DAY + (8 + random.next() * 6) * HOUR, 'service', ranked(random, 60, 1.4));
    }),
  'updates that come in bursts': (random, add) => {
    times(1500, () => add(random.next() * 5 * DAY, 'service', ranked(random, 40, 1.5)));
    for (const day of [1.2, 2.9, 4.4])
      times(250, () => add(day * DAY + random.next() * 300, 'update', day * 1000 + ranked(random, 150, 0.8)));
  },
  'a release with new places': (random, add) =>
    times(2500, () => {
      const time = random.next() * 6 * DAY;
      const other = time > 3.5 * DAY && random.next() < 0.3;
      add(time, 'app', (other ? 1000 : 0) + ranked(random, 50, 1.2));
    }),
  'pods that follow one another': (random, add) =>
    times(40, (pod) =>
      times(60, () => add((pod * 4 + random.next() * 5) * HOUR, `pod-${pod}`, ranked(random, 6, 1))),
    ),
  'addresses that move': (random, add) =>
    times(3000, () => {
      const time = random.next() * 8 * DAY;
      add(time, 'cdn', Math.floor((time / DAY) * 3) + ranked(random, 25, 1));
    }),
  'twelve services': (random, add) =>
    times(12, (service) =>
      times(30 + Math.floor(random.next() * 300), () =>
        add(random.next() * 4 * DAY, `service-${service}`, ranked(random, 5 + service * 6, 1.2)),
      ),
    ),
};

/** Each kind of host, made `copies` times by other chances. */
export function madeSeries(copies: number): [string, SeriesEvent[]][] {
  return Object.entries(MAKERS).flatMap(([name, make], kind) =>
    Array.from({ length: copies }, (_, copy): [string, SeriesEvent[]] => {
      const events: SeriesEvent[] = [];
      const random = new Random(1000 * (kind + 1) + copy);
      make(random, (time, subject, place) => events.push({ time, subject, key: `${subject} ${place}` }));
      return [`${name} ${copy + 1}`, events.sort((a, b) => a.time - b.time)];
    }),
  );
}
