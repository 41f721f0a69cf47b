import { closeSync, readdirSync, statSync, type Stats } from 'node:fs';
import { BouhekiError } from '../error/error.ts';
import { pathOf } from './descriptor.ts';
import { followPath, type Found } from './path-walk.ts';
import { faultOf, mendOf, standingOf, untrusted } from './trust.ts';
import { closeFound } from './trusted-file.ts';

/** Files that one pattern may match. */
const MOST_FILES = 256;
/** Directories that are looked into for one pattern. */
const MOST_DIRECTORIES = 4096;
/** A directory that was changed so short a time before it was read may have changed after, at the same time stamp. */
const UNSETTLED = 100;

/** The files of this host that a pattern means at one moment. */
export interface Expansion {
  /** Paths that match, in order. Links in them are followed by who opens them. */
  paths: string[];
  /** Directories below the first `*` that are passed over, because others than root can change what is in them. */
  faults: BouhekiError[];
  /** Whether what was looked at has changed since, as far as that can be told without looking at it all. */
  isStale(): boolean;
}

/**
 * The regular files whose paths match a pattern, in which `*` stands for text within one step: `matches` compares a
 * step with a name. Only directories are looked into in which root (and the caller) alone can change names: elsewhere
 * a user could make a file that matches. Throws BouhekiError `untrusted` when that is not so of the directory before
 * the first `*`, and `policy` where too much matches.
 */
export function expandPattern(pattern: string, matches: (step: string, name: string) => boolean): Expansion {
  try {
    return new PatternWalk(pattern, matches).run();
  } catch (error) {
    if (!(error instanceof BouhekiError) || error.code !== 'untrusted') throw error;
    throw new BouhekiError('untrusted', error.message, {
      remedy:
        'Name each path without *, or see to it that root alone can write in that directory and those above it.',
      cause: error,
    });
  }
}

/** The file that a match of a pattern leads to, opened with O_PATH; undefined where that is not to be trusted. */
export function openMatch(path: string): number | undefined {
  try {
    const { directory, entry } = followPath(path);
    closeSync(directory.fd);
    return entry?.fd;
  } catch (error) {
    if (error instanceof BouhekiError || 'code' in (error as Error)) return undefined;
    throw error;
  }
}

/** The directory that is before the first `*` of a pattern. */
export function directoryBefore(pattern: string): string {
  const before = pattern.slice(0, pattern.indexOf('*'));
  return before.slice(0, before.lastIndexOf('/')) || '/';
}

class PatternWalk {
  readonly #pattern: string;
  readonly #matches: (step: string, name: string) => boolean;
  readonly #paths: string[] = [];
  readonly #faults: BouhekiError[] = [];
  readonly #stamps = new Map<string, string>();
  #settled = true;

  constructor(pattern: string, matches: (step: string, name: string) => boolean) {
    this.#pattern = pattern;
    this.#matches = matches;
  }

  run(): Expansion {
    const base = directoryBefore(this.#pattern);
    const steps = this.#pattern.slice(base === '/' ? 1 : base.length + 1).split('/');
    this.#enter(base, steps);
    const stamps = this.#stamps;
    const settled = this.#settled;
    return {
      paths: this.#paths.sort(),
      faults: this.#faults,
      isStale: () => !settled || [...stamps].some(([path, stamp]) => stampOf(path).text !== stamp),
    };
  }

  /** Looks into a directory for the first of the steps, and on from there for the others. */
  #enter(path: string, steps: readonly string[]): void {
    this.#remember(path);
    for (const name of this.#namesIn(path, steps[0]!)) {
      const found = `${path === '/' ? '' : path}/${name}`;
      try {
        if (steps.length > 1) this.#enter(found, steps.slice(1));
        else this.#take(found);
      } catch (error) {
        if (!(error instanceof BouhekiError) || error.code !== 'untrusted') throw error;
        this.#faults.push(error);
      }
    }
  }

  #take(path: string): void {
    const isFile = withFound(path, ({ entry }) => entry?.stats.isFile() === true);
    if (isFile !== true) return;
    this.#paths.push(path);
    if (this.#paths.length > MOST_FILES) throw this.#tooMany(`${MOST_FILES} files`);
  }

  #namesIn(path: string, step: string): string[] {
    const names = withFound(path, ({ directory, entry, names: below }) => {
      // The root is no name in a directory.
      const found = entry ?? (below.length === 0 ? directory : undefined);
      if (!found?.stats.isDirectory()) return [];
      this.#admit(path, found.stats);
      return step.includes('*') ? readdirSync(pathOf(found.fd)) : [step];
    });
    return (names ?? []).filter((name) => this.#matches(step, name));
  }

  #admit(path: string, stats: Stats): void {
    if (standingOf(stats) === 'closed') return;
    throw untrusted(this.#pattern, path, faultOf(stats)!, mendOf(stats, path));
  }

  /** Before it is read: what changes in between is seen the next time. */
  #remember(path: string): void {
    const { changed, text } = stampOf(path);
    this.#stamps.set(path, text);
    if (Date.now() - changed < UNSETTLED) this.#settled = false;
    if (this.#stamps.size > MOST_DIRECTORIES) throw this.#tooMany(`files in ${MOST_DIRECTORIES} directories`);
  }

  #tooMany(what: string): BouhekiError {
    return new BouhekiError('policy', `${this.#pattern} matches more than ${what}`, {
      remedy: 'Name more of the path before and around the *.',
    });
  }
}

/** What is made of what a path leads to; undefined where there is nothing, or a part of it is no directory. */
function withFound<T>(path: string, use: (found: Found) => T): T | undefined {
  let found: Found;
  try {
    found = followPath(path);
  } catch (error) {
    if (error instanceof BouhekiError) throw error;
    return undefined;
  }
  try {
    return use(found);
  } finally {
    closeFound(found);
  }
}

/** What tells a directory from what it was: its names, its owner, or another one in its place. */
function stampOf(path: string): { text: string; changed: number } {
  try {
    const { ctimeNs, dev, ino, mtimeNs } = statSync(path, { bigint: true });
    return { text: [dev, ino, mtimeNs, ctimeNs].join(), changed: Number(ctimeNs / 1_000_000n) };
  } catch {
    return { text: '', changed: Number.NEGATIVE_INFINITY };
  }
}
