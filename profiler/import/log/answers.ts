import { plainName } from '../../event/plain-name.ts';
import type { Cells } from './log-reader.ts';

/** An address that a client has been told for a name. Times are in microseconds. */
export interface Answer {
  client: string;
  address: string;
  name: string;
  time: number;
  /** Seconds. */
  ttl: number;
}

/** Answers that are kept: about 200 MB. */
const MOST = 1_000_000;

/** Names of one connection. */
const MOST_NAMES = 4;

/** How long after the end of its TTL an address is still taken for that of a name: a day. */
const LASTING = 86_400_000_000;

/** What clients were told of names, by which their connections afterwards are named. */
export class Answers {
  readonly #told = new Map<string, Answer[]>();
  #count = 0;
  /** Answers that were not kept. */
  dropped = 0;

  add(answer: Answer): void {
    if (this.#count >= MOST) {
      this.dropped += 1;
      return;
    }
    this.#count += 1;
    const key = `${answer.client} ${answer.address}`;
    const told = this.#told.get(key);
    const named = { ...answer, name: plainName(answer.name) };
    if (named.name === '') return;
    if (told === undefined) this.#told.set(key, [named]);
    // Logs are nearly in order: the place is at the end or close to it.
    else told.splice(1 + told.findLastIndex(({ time }) => time <= named.time), 0, named);
  }

  /** The names that a client had asked for when it connected, the latest first, as columns of a row. */
  cells(client: string, address: string, time: number | undefined): Cells {
    const told = this.#told.get(`${client} ${address}`);
    if (told === undefined || time === undefined) return {};
    const names = new Set<string>();
    let age: number | undefined;
    for (let at = told.findLastIndex((answer) => answer.time <= time); at >= 0; at -= 1) {
      const { name, time: since, ttl } = told[at]!;
      const over = time - since - ttl * 1_000_000;
      if (over > LASTING) continue;
      age ??= Math.ceil(over / 1_000_000);
      names.add(name);
      if (names.size === MOST_NAMES) break;
    }
    if (age === undefined) return {};
    const [name] = names;
    return { name, names: [...names].join(' '), name_known: 'host', age: String(age) };
  }
}
