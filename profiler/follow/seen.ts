import type { Observation, Subject } from '../read/observation.ts';

/** Keys that are kept; then the oldest go. About 100 MB. */
const MOST_KEYS = 1_000_000;

/** What a connection is compared by. */
export type Place = Pick<
  Observation,
  'subject' | 'family' | 'address' | 'port' | 'protocol' | 'socket' | 'names'
>;

/** Which subjects have been seen to connect where. */
export class Seen {
  readonly #subjects = new WeakMap<Subject, string>();
  readonly #numbers = new Map<string, number>();
  readonly #keys = new Set<string>();

  /**
   * Whether this was not seen before. A destination with a name that the subject connected to at that port is
   * not new, whatever its address: many names have other addresses every minute.
   */
  add(place: Place): boolean {
    const number = this.#numberOf(place.subject);
    const end = place.socket ?? `${place.port}/${place.protocol}`;
    const keys = [
      `${place.family === 4 ? '' : '6/'}${place.address.toString(36)}`,
      ...(place.names ?? []).slice(0, 1),
    ];
    let known = false;
    for (const each of keys) {
      const key = `${number} ${end} ${each}`;
      if (this.#keys.has(key)) known = true;
      else this.#keep(key);
    }
    return !known;
  }

  #keep(key: string): void {
    if (this.#keys.size >= MOST_KEYS) {
      for (const oldest of this.#keys) {
        this.#keys.delete(oldest);
        break;
      }
    }
    this.#keys.add(key);
  }

  /** Programs are compared, not processes: by executable and script, user and container. */
  #numberOf(subject: Subject): number {
    let text = this.#subjects.get(subject);
    if (text === undefined) {
      const { command, container, exe, inContainer, script, uid } = subject;
      text = JSON.stringify([exe ?? command, script, uid, inContainer, container]);
      this.#subjects.set(subject, text);
    }
    let number = this.#numbers.get(text);
    if (number === undefined) {
      if (this.#numbers.size >= MOST_KEYS) {
        this.#numbers.clear();
        this.#keys.clear();
      }
      number = this.#numbers.size;
      this.#numbers.set(text, number);
    }
    return number;
  }
}
