import type { SocketKind } from '../../bpf/wire.ts';
export { UNKNOWN_ID } from '../event/credential.ts';
export { DELETED, ELSEWHERE, TOO_LONG } from '../event/executable.ts';
import type { KnownBy } from '../event/columns.ts';
import type { Account } from '../identity/account.ts';

/** The subject that connected, as it is recorded. Absent text is unknown. */
export interface Subject {
  command: string;
  /**
   * Path of the executable as the host sees it; `elsewhere:` before it where it is not the host's file of that path.
   */
  exe?: string;
  /** The name of the executable ends with ` (deleted)`: it has not been deleted. */
  undeleted?: true;
  /** Path of the script that an interpreter runs. */
  script?: string;
  /** Real ids, in the initial user namespace. */
  uid: number;
  gid: number;
  /** Effective ids; absent where they are the real ones. */
  euid?: number;
  egid?: number;
  /** By which files are opened; absent where they are the effective ones. */
  fsuid?: number;
  fsgid?: number;
  inContainer: boolean;
  /**
   * Container name. Absent where no runtime has given it: no rule that names a container holds for the id
   * then.
   */
  container?: string;
  image?: string;
  /** systemd unit. */
  unit?: string;
  cgroup?: string;
}

/** Equal (subject, destination or kind of socket, verdict) events folded into one. */
export interface Observation {
  subject: Subject;
  family: 4 | 6;
  /** 32 or 128 bits, host order. */
  address: bigint;
  /** 0 where the protocol has none. */
  port: number;
  /** IANA protocol number. */
  protocol: number;
  /**
   * A socket of this kind was opened: nothing was named, and family, address, port and protocol say nothing.
   */
  socket?: keyof typeof SocketKind;
  /** All of it was connect() that sent nothing; only where that was asked for. */
  intent?: boolean;
  verdict: 'allow' | 'deny';
  /**
   * The names that the address was known by when it was connected to, those of most events first, eight at the
   * most; absent where none was. Observations are told apart by it only where that was asked for.
   */
  names?: readonly string[];
  /**
   * Who asked for the first of the names, and the most seconds since the end of its TTL; only where observations are told
   * apart by names, and there are some.
   */
  known?: { by: KnownBy; age: number };
  /**
   * The name that it goes by in a rule, or the wildcard, for all addresses of that; the address is the one of most
   * events.
   */
  name?: string;
  /**
   * Beside `name`: how many addresses it had, by how many other names those were known, how many events had asked for
   * the name themselves, and of a wildcard how many names it stands for.
   */
  seen?: { addresses: number; others: number; self: number; names: number };
  /** In a fleet: the hosts that showed it, bit i % 8 of byte i / 8 for the one in place i. */
  hosts?: Readonly<Uint8Array>;
  /**
   * Beside `known`: what its age was on each of these hosts, in the order of their places; absent where that is not known.
   */
  ages?: readonly number[];
  /** Name and labels of one of them, where a policy treats it as it does all of them. */
  on?: readonly string[];
  /** Number of events. */
  count: number;
  /** Microseconds since the epoch. */
  first: number;
  last: number;
  /** Number of distinct clock hours (UTC) with at least one event. */
  hours: number;
}

/**
 * The first of an observation's names, where a rule by that name can allow all its events: the program or its container
 * asked for it, or it is the only name that the address has on the host.
 */
export function leadingName({
  known,
  names,
}: Pick<Observation, 'names'> & { known?: Observation['known'] | undefined }): string | undefined {
  if (known === undefined || known.by === 'unbelieved') return undefined;
  return known.by === 'host' && names!.length > 1 ? undefined : names?.[0];
}

/** What the recorded hosts call their users and groups. */
export class Accounts {
  readonly #names: Readonly<Record<Account['kind'], Map<number, string[]>>> = {
    user: new Map(),
    group: new Map(),
  };

  constructor(accounts: Iterable<Account> = []) {
    for (const { kind, id, name } of accounts) {
      const known = this.#names[kind].get(id) ?? [];
      if (!known.includes(name)) this.#names[kind].set(id, [...known, name].sort());
    }
  }

  /** `33 (www-data)`; `33` where the name is not known, `1000 (ada, bob)` where hosts have different ones. */
  text(kind: Account['kind'], id: number): string {
    const names = this.#names[kind].get(id);
    return names === undefined ? String(id) : `${id} (${names.join(', ')})`;
  }

  /** The names that an id has on the recorded hosts. */
  namesOf(kind: Account['kind'], id: number): readonly string[] {
    return this.#names[kind].get(id) ?? [];
  }

  /** Whether a name is known. */
  names(kind: Account['kind'], id: number): boolean {
    return this.#names[kind].has(id);
  }
}
