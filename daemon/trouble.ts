import { renderFailure } from '../error/failure.ts';

/** Failures that are reported; more of them are most likely the same again. */
const MOST = 20;

/** What is thrown while enforcement goes on: reported once each, however often it happens. */
export class Trouble {
  readonly #say: (text: string) => void;
  readonly #reported = new Set<string>();

  constructor(say: (text: string) => void) {
    this.#say = say;
  }

  /** To be called with what was thrown. Never throws. */
  readonly happened = (error: unknown): void => {
    try {
      const text = renderFailure(error);
      if (this.#reported.has(text) || this.#reported.size === MOST) return;
      this.#reported.add(text);
      this.#say(`${text}Enforcement goes on.\n`);
    } catch {
      // Then it cannot be reported.
    }
  };
}
