import { existsSync, mkdirSync, readdirSync, renameSync } from 'node:fs';
import { check, pinCalls, SystemError } from '../libbpf.ts';
import { type About, AboutMap } from './about.ts';
import { removeFolder } from './kept.ts';
import { ABOUT, foldersOf, makePinRoot, notPinned, self } from './place.ts';

/** A program at its hook. */
export interface AttachedProgram {
  program: string;
  /** Of the link. */
  fd: number;
}

/**
 * The links of this process in bpffs: what they hold goes on when the process ends. A link holds its program, and that
 * the maps it uses.
 */
export class Pins implements Disposable {
  readonly #folders = foldersOf(self());
  readonly #about: AboutMap;
  readonly #pinned = new Set<string>();
  #complete = false;

  private constructor(about: AboutMap) {
    this.#about = about;
  }

  /** Throws BouhekiError where nothing can be pinned. */
  static create(): Pins {
    makePinRoot();
    const { complete, unfinished } = foldersOf(self());
    try {
      // Of this process, after a failure.
      for (const folder of [unfinished, complete]) removeFolder(folder);
      mkdirSync(unfinished, { mode: 0o700 });
      return new Pins(AboutMap.create(`${unfinished}/${ABOUT}`));
    } catch (error) {
      throw notPinned((error as Error).message, error);
    }
  }

  /** Whether there still are any. */
  get there(): boolean {
    return existsSync(this.folder);
  }

  get folder(): string {
    return this.#complete ? this.#folders.complete : this.#folders.unfinished;
  }

  /** Descriptor of the map that says what they enforce. */
  get aboutFd(): number {
    return this.#about.fd;
  }

  describe(about: About): void {
    this.#about.write(about);
  }

  /**
   * Pins those that are not pinned yet, in the order in which they were attached: what follows who a process is comes
   * before what judges it, also when this is cut short. Throws BouhekiError where that fails.
   */
  add(links: readonly AttachedProgram[]): void {
    try {
      for (const { fd, program } of links) {
        if (this.#pinned.has(program)) continue;
        const path = `${this.folder}/${String(this.#pinned.size).padStart(3, '0')}_${program}`;
        check(`pin ${path}`, pinCalls().bpf_obj_pin(fd, path));
        this.#pinned.add(program);
      }
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      throw notPinned(error.message, error);
    }
  }

  /** Says that all are there: they are taken over as a whole then. */
  complete(): void {
    if (this.#complete) return;
    renameSync(this.#folders.unfinished, this.#folders.complete);
    this.#complete = true;
  }

  /** Whether each that was pinned still is: root can remove them. */
  get whole(): boolean {
    // Beside them there is what they are about.
    return this.there && readdirSync(this.folder).length === this.#pinned.size + 1;
  }

  /** Removes them: what they hold ends with the process again. */
  remove(): void {
    for (const folder of Object.values(this.#folders)) removeFolder(folder);
  }

  /** Leaves them where they are. */
  [Symbol.dispose](): void {
    this.#about[Symbol.dispose]();
  }
}
