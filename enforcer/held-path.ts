import { closeSync, fstatSync } from 'node:fs';

/** Deleted files of one path that are kept: it may come to mean another one as often as its owner likes. */
const MOST_DELETED = 8;

/**
 * The file that a path means, kept open, so that its number can't be given to another one, and deleted ones
 * that it meant before.
 */
export class HeldPath<File extends { readonly fd: number }> {
  #now: File | undefined;
  #deleted: File[] = [];

  constructor(now?: File) {
    this.#now = now;
  }

  get now(): File | undefined {
    return this.#now;
  }

  get deleted(): readonly File[] {
    return this.#deleted;
  }

  /** The file that the path means, if any, and the deleted ones. */
  get all(): File[] {
    return this.#now ? [this.#now, ...this.#deleted] : [...this.#deleted];
  }

  /**
   * The path has come to mean another file, or none. What runs the one before goes on, so it is kept where it
   * was deleted, and not where it lies elsewhere now. Returns the files that are not kept any more, for the
   * caller to close.
   */
  replace(next: File | undefined): File[] {
    const dropped: File[] = [];
    const before = this.#now;
    this.#now = next;
    if (before && fstatSync(before.fd).nlink === 0) this.#deleted.push(before);
    else if (before) dropped.push(before);
    if (this.#deleted.length > MOST_DELETED) dropped.push(this.#deleted.shift()!);
    return dropped;
  }

  /** Closes everything. */
  close(): void {
    for (const { fd } of this.all) closeSync(fd);
    this.#now = undefined;
    this.#deleted = [];
  }
}
