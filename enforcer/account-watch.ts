import type { Egress } from '../bpf/egress.ts';
import { ACCOUNT_DIMENSIONS, type IdKind } from '../policy/meaning/dimension.ts';
import { namedAccounts } from '../policy/meaning/named-account.ts';
import type { Action, Box } from '../policy/meaning/policy.ts';
import { replaceSubjectEntries } from './apply.ts';
import type { SubjectEntry } from './subject-entry.ts';
import { compileIds } from './subject.ts';

/** What this host says of its users and groups at this moment. */
export interface HostAccounts {
  idOf(kind: IdKind, name: string): number | undefined;
  namesOf(kind: IdKind, id: number): readonly string[];
}

/** What became of a user or group that the policy names. */
export interface AccountChange {
  kind: IdKind;
  name: string;
  /** Undefined: no id had the name before, or none has it now. */
  before: number | undefined;
  now: number | undefined;
}

interface Followed {
  kind: IdKind;
  name: string;
  now: number | undefined;
  /** The id that had the name last, while no other account has it. */
  last: number | undefined;
}

/**
 * The users and groups that the policy in force names, followed as the host gives them other ids. A name that no id
 * has any more allows nobody. A deny goes on holding for the id that had the name last, whose processes may still
 * run, until another account has that id.
 */
export class AccountWatch {
  readonly #egress: Egress;
  readonly #boxes: readonly Box[];
  readonly #host: HostAccounts;
  readonly #followed = new Map<string, Followed>();
  #entries: readonly SubjectEntry[];
  /** Whether the kernel side has other ids than these, because it had no room. */
  #behind = false;

  /** `boxes` are about to be put in force, with `resolve` to find the ids. */
  constructor(egress: Egress, boxes: readonly Box[], host: HostAccounts) {
    this.#egress = egress;
    this.#boxes = boxes;
    this.#host = host;
    for (const { kind, name } of namedAccounts(boxes)) {
      const now = host.idOf(kind, name);
      this.#followed.set(followedKey(kind, name), { kind, name, now, last: now });
    }
    this.#entries = this.#compile();
  }

  /** The id that a name means in rules of this kind. */
  readonly resolve = (kind: IdKind, name: string, action: Action): number | undefined => {
    const { last, now } = this.#followed.get(followedKey(kind, name))!;
    return action === 'deny' ? last : now;
  };

  /** Names that no id has at present. */
  get missing(): { kind: IdKind; name: string }[] {
    return [...this.#followed.values()].filter(({ now }) => now === undefined);
  }

  /** Looks at every name, and writes changes to the kernel side. */
  look(): AccountChange[] {
    const changes: AccountChange[] = [];
    let moved = this.#behind;
    for (const each of this.#followed.values()) {
      const { kind, last, name, now: before } = each;
      const now = this.#host.idOf(kind, name);
      each.now = now;
      each.last = now ?? (this.#isFree(kind, last) ? last : undefined);
      moved ||= last !== each.last;
      if (now !== before) changes.push({ kind, name, before, now });
    }
    if (moved || changes.length > 0) {
      const entries = this.#compile();
      this.#behind = true;
      replaceSubjectEntries(this.#egress, this.#entries, entries);
      this.#behind = false;
      this.#entries = entries;
    }
    return changes;
  }

  #isFree(kind: IdKind, id: number | undefined): boolean {
    return id !== undefined && this.#host.namesOf(kind, id).length === 0;
  }

  #compile(): SubjectEntry[] {
    return ACCOUNT_DIMENSIONS.flatMap((each) => compileIds(this.#boxes, each, this.resolve));
  }
}

function followedKey(kind: IdKind, name: string): string {
  return `${kind} ${name}`;
}
