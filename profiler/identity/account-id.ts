import { readFileSync, statSync } from 'node:fs';
import type { AccountKind } from '../event/credential.ts';
import { type Account, accountLines, type AccountSource, askAccounts, HOST, KINDS } from './account.ts';

/** Names in one question. */
const AT_ONCE = 64;
/** How often names that are in no file are asked for again, milliseconds. */
const ASK_EVERY = 60_000;

/** What a file says; names and ids may come several times. */
interface FileAccounts {
  /** What tells a version of the file from others: it may be replaced, or written in place. */
  stamp: string;
  /** As the C library reads it: the first line with a name counts. */
  ids: ReadonlyMap<string, number>;
  names: ReadonlyMap<number, readonly string[]>;
}

const NOTHING: FileAccounts = { stamp: '', ids: new Map(), names: new Map() };

/**
 * Which ids some names have on this host, followed as that changes. Files are looked at with each `look`. Names that
 * they do not hold, those of a directory service, getent is asked for in the background, with a time-out, and again
 * once a minute: its last answer counts until it gives another one, also while it gives none.
 */
export class AccountIds implements Disposable {
  readonly #source: AccountSource;
  readonly #wanted: Readonly<Record<AccountKind, readonly string[]>>;
  readonly #files: Record<AccountKind, FileAccounts> = { user: NOTHING, group: NOTHING };
  readonly #answers: Record<AccountKind, Map<string, number>> = { user: new Map(), group: new Map() };
  readonly #stop = new AbortController();
  #asking: Promise<void> | undefined;
  #askedAt = Number.NEGATIVE_INFINITY;

  constructor(wanted: Iterable<Pick<Account, 'kind' | 'name'>>, source: Partial<AccountSource> = {}) {
    this.#source = { ...HOST, ...source };
    const names: Record<AccountKind, string[]> = { user: [], group: [] };
    for (const { kind, name } of wanted) names[kind].push(name);
    this.#wanted = names;
    this.look();
  }

  /** The id that a name has. What a file says counts before the answer of a directory service. */
  idOf(kind: AccountKind, name: string): number | undefined {
    return this.#files[kind].ids.get(name) ?? this.#answers[kind].get(name);
  }

  /** The names of an id, as far as the files and the answers have them. */
  namesOf(kind: AccountKind, id: number): readonly string[] {
    const answered = [...this.#answers[kind]].flatMap(([name, each]) => (each === id ? [name] : []));
    return [...new Set([...(this.#files[kind].names.get(id) ?? []), ...answered])];
  }

  /** Reads files that have changed, and asks for what is in none of them, when it is time. Never waits. */
  look(): void {
    let read = false;
    for (const kind of KINDS) if (this.#wanted[kind].length > 0) read = this.#read(kind) || read;
    if (this.#asking || this.#stop.signal.aborted) return;
    if (!read && performance.now() - this.#askedAt < ASK_EVERY) return;
    this.#askedAt = performance.now();
    this.#asking = this.#ask().finally(() => (this.#asking = undefined));
  }

  /** Waits for the answers to the questions that are open: no longer than the time-out of each. */
  async ready(): Promise<void> {
    await this.#asking;
  }

  /** Asks no more. */
  [Symbol.dispose](): void {
    this.#stop.abort();
  }

  async #ask(): Promise<void> {
    for (const kind of KINDS) {
      const { ids } = this.#files[kind];
      const names = this.#wanted[kind].filter((name) => !ids.has(name));
      for (let at = 0; at < names.length; at += AT_ONCE) {
        const question = names.slice(at, at + AT_ONCE);
        const answer = await this.#answer(kind, question);
        if (answer !== undefined) this.#keep(kind, question, new Map(accountLines(answer)));
      }
    }
  }

  #keep(kind: AccountKind, names: readonly string[], ids: ReadonlyMap<string, number>): void {
    for (const name of names) {
      const id = ids.get(name);
      if (id === undefined) this.#answers[kind].delete(name);
      else this.#answers[kind].set(name, id);
    }
  }

  /** What getent prints; undefined where it gives no answer, which is not the same as that there is no such name. */
  async #answer(kind: AccountKind, names: readonly string[]): Promise<string | undefined> {
    const { error, stdout } = await askAccounts(this.#source, kind, names, this.#stop.signal);
    return error === null || error.code === SOME_UNKNOWN ? stdout : undefined;
  }

  /** Reads a file, unless it is as it was. One that is away or empty is being written: what it said last counts. */
  #read(kind: AccountKind): boolean {
    const file = this.#source.files[kind];
    try {
      const { ctimeNs, ino, mtimeNs, size } = statSync(file, { bigint: true });
      const stamp = [ino, size, mtimeNs, ctimeNs].join();
      if (stamp === this.#files[kind].stamp) return false;
      const lines = [...accountLines(readFileSync(file, 'utf8'))];
      if (lines.length === 0) return false;
      this.#files[kind] = { stamp, ids: new Map(lines.toReversed()), names: namesById(lines) };
      return true;
    } catch {
      return false;
    }
  }
}

/** The exit status of getent(1) when a name is not known. */
const SOME_UNKNOWN = 2;

function namesById(lines: readonly [name: string, id: number][]): Map<number, string[]> {
  const names = new Map<number, string[]>();
  for (const [name, id] of lines) {
    const known = names.get(id);
    if (known) known.push(name);
    else names.set(id, [name]);
  }
  return names;
}
