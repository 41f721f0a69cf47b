import { execFile, type ExecFileException } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { exposeToOom } from '../../host/oom-score.ts';
import { atMost } from './at-most.ts';
import type { AccountKind } from '../event/credential.ts';

/** Where this host says what its users and groups are called. */
export interface AccountSource {
  /** Files in the format of passwd(5) and group(5), which are read first. */
  files: Readonly<Record<AccountKind, string>>;
  /** Program that is asked for what they do not hold: getent(1), or the like. */
  program: string;
  /** How long it may take, milliseconds. */
  patience: number;
}

export const HOST: AccountSource = {
  files: { user: '/etc/passwd', group: '/etc/group' },
  program: 'getent',
  patience: 3000,
};
const DATABASES: Readonly<Record<AccountKind, string>> = { user: 'passwd', group: 'group' };
export const KINDS: readonly AccountKind[] = ['user', 'group'];

/** Ids in one question. */
const AT_ONCE = 256;
/** Ids asked for in the life of this object; after that names come from the files alone. */
const MOST = 65_536;
/** Characters of the longest name; a longer one is none. */
const LONGEST = 256;
/** The kernel's ids have 32 bits. */
const LARGEST = 4_294_967_295;
/** How long the answers to open questions are waited for at the end, milliseconds. */
const LAST_MOMENT = 1000;

export interface Account {
  kind: AccountKind;
  id: number;
  name: string;
}

/**
 * Names users and groups of this host. The files are looked at at once; for an id that they don't hold, one
 * of a directory service, getent is asked in the background, with a time-out. No caller waits for an answer,
 * and an id without a name is no error.
 */
export class AccountNames {
  readonly #source: AccountSource;
  readonly #known: Record<AccountKind, ReadonlyMap<number, string>>;
  readonly #stamps: Record<AccountKind, number> = { user: 0, group: 0 };
  readonly #asked: Record<AccountKind, Set<number>> = { user: new Set(), group: new Set() };
  readonly #queue: Record<AccountKind, number[]> = { user: [], group: [] };
  #found: Account[] = [];
  #asking: Promise<void> | undefined;
  readonly #stop = new AbortController();

  constructor(source: Partial<AccountSource> = {}) {
    this.#source = { ...HOST, ...source };
    this.#known = { user: new Map(), group: new Map() };
    for (const kind of KINDS) this.#read(kind);
  }

  /** The name, where it is known at this moment; otherwise `takeFound` returns it, should it be found. */
  find(kind: AccountKind, id: number): string | undefined {
    const known = this.#known[kind].get(id);
    if (known !== undefined) return known;
    const asked = this.#asked[kind];
    if (asked.has(id) || asked.size >= MOST || this.#stop.signal.aborted) return undefined;
    asked.add(id);
    this.#queue[kind].push(id);
    this.#asking ??= this.#ask().finally(() => (this.#asking = undefined));
    return undefined;
  }

  /** What was found in the background since this was last asked. */
  takeFound(): Account[] {
    const found = this.#found;
    this.#found = [];
    return found;
  }

  /** Waits for the answers to the questions that are open, a moment at the most, and asks no more. */
  async settle(): Promise<void> {
    await atMost(LAST_MOMENT, this.#asking);
    this.#stop.abort();
  }

  /** One question at a time: ids that come meanwhile are in the next one. */
  async #ask(): Promise<void> {
    // Ids of the same look at the rings go into one question.
    await new Promise<void>((resolve) => setImmediate(resolve));
    for (;;) {
      const kind = KINDS.find((each) => this.#queue[each].length > 0);
      if (kind === undefined || this.#stop.signal.aborted) return;
      const ids = this.#queue[kind].splice(0, AT_ONCE);
      // A user that was made since.
      this.#read(kind);
      const rest = this.#keep(kind, ids, this.#known[kind]);
      if (rest.length > 0)
        this.#keep(
          kind,
          rest,
          parseAccounts((await askAccounts(this.#source, kind, rest.map(String), this.#stop.signal)).stdout),
        );
    }
  }

  /** Keeps the names of these ids. Returns the ids that have none. */
  #keep(kind: AccountKind, ids: readonly number[], names: ReadonlyMap<number, string>): number[] {
    return ids.filter((id) => {
      const name = names.get(id);
      if (name !== undefined) this.#found.push({ kind, id, name });
      return name === undefined;
    });
  }

  /** Reads a file, unless it is as it was. */
  #read(kind: AccountKind): void {
    const file = this.#source.files[kind];
    try {
      const { mtimeMs } = statSync(file);
      if (mtimeMs === this.#stamps[kind]) return;
      this.#known[kind] = parseAccounts(readFileSync(file, 'utf8'));
      this.#stamps[kind] = mtimeMs;
    } catch {
      // A host without the file has its names elsewhere, or none.
    }
  }
}

/** Names by id. Of several names for an id the first counts. */
function parseAccounts(text: string): Map<number, string> {
  const names = new Map<number, string>();
  for (const [name, id] of accountLines(text)) if (!names.has(id)) names.set(id, name);
  return names;
}

/** The names and ids in lines as in passwd(5) and group(5). */
export function* accountLines(text: string): Generator<[name: string, id: number]> {
  for (const line of text.split('\n')) {
    const [name, , id] = line.split(':', 3);
    if (!name || name.length > LONGEST || id === undefined || !/^\d{1,10}$/.test(id)) continue;
    if (Number(id) <= LARGEST) yield [name, Number(id)];
  }
}

/** What the program says of accounts: what it printed, as far as it came, and what went wrong. */
export async function askAccounts(
  { patience, program }: AccountSource,
  kind: AccountKind,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<{ error: ExecFileException | null; stdout: string }> {
  const options = { timeout: patience, killSignal: 'SIGKILL', signal, cwd: '/' } as const;
  return await new Promise((resolve) => {
    const { pid } = execFile(program, [DATABASES[kind], ...keys], options, (error, stdout) =>
      resolve({ error, stdout }),
    );
    exposeToOom(pid);
  });
}
