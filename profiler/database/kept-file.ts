import { statSync } from 'node:fs';

/** A file that is to stay where it is while it is used. */
export class KeptFile {
  readonly #path: string;
  readonly #identity: string | undefined;

  /** To be made when it is there. */
  constructor(path: string) {
    this.#path = path;
    this.#identity = identityOf(path);
  }

  /** Whether its path still leads to it: it has been neither removed nor replaced. */
  get there(): boolean {
    return identityOf(this.#path) === this.#identity;
  }
}

/** Undefined where there is nothing. */
function identityOf(path: string): string | undefined {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stat && `${stat.dev} ${stat.ino}`;
}
