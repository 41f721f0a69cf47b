import { LONGEST_NAME, plainName } from '../event/plain-name.ts';
import { Numbers } from './numbers.ts';

/** Names of a set that are kept: the rest of a long list is not what a connection was made for. */
const MOST_NAMES = 16;

/**
 * Row ids for the names that addresses are known by. Whoever asks a resolver chooses names: like other texts
 * from outside they are remembered up to a number, and the table starts again then. Its older ids are void
 * from then on, so that a record in progress can drop those that no event names.
 */
export class NameSets {
  /** Of names and of sets, one row of numbers for both. */
  readonly #numbers = new Numbers();
  readonly #addName: (id: number, text: string) => void;
  readonly #addSet: (id: number, names: readonly number[]) => void;
  /** Changes when all ids given before have become void. */
  epoch = 0;
  /** The last id that is void, until that is told; and whether there was a flush since it is. */
  #retired = 0;
  #flushed = false;

  constructor(
    addName: (id: number, text: string) => void,
    addSet: (id: number, names: readonly number[]) => void,
  ) {
    this.#addName = addName;
    this.#addSet = addSet;
  }

  /** The id of these names, the best first; 0 for none. */
  of(names: readonly string[]): number {
    const plain = [...new Set(names.map(plainName))]
      .filter(({ length }) => length > 0 && length <= LONGEST_NAME)
      .slice(0, MOST_NAMES);
    if (plain.length === 0) return 0;
    if (this.#numbers.room <= MOST_NAMES) this.#startAgain();
    const ids = plain.map((name) => this.#numbers.of(name, (id) => this.#addName(id, name)));
    // With a space in front, which no name has.
    return this.#numbers.of(` ${ids.join()}`, (id) => this.#addSet(id, ids));
  }

  /**
   * To be called at each flush. Returns the last id that no event names which comes later: events that were
   * under way when the table started again have come by the flush after the next.
   */
  flush(): number | undefined {
    if (this.#retired === 0) return undefined;
    if (!this.#flushed) {
      this.#flushed = true;
      return undefined;
    }
    const retired = this.#retired;
    this.#retired = 0;
    return retired;
  }

  #startAgain(): void {
    this.#retired = this.#numbers.last;
    this.#flushed = false;
    this.#numbers.clear();
    this.epoch += 1;
  }
}
