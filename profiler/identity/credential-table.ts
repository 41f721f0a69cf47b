import type { AccountNames } from './account.ts';
import { accountsIn, type AccountKind, type Credential } from '../event/credential.ts';
import type { EventSink } from '../event/sink.ts';

/** Users, and groups, remembered. One that was forgotten may be reported once more. */
const MOST = 65_536;

/** The credentials of a recording, and how this host calls their users and groups. */
export class CredentialTable {
  #sink: EventSink;
  readonly #names: AccountNames;
  /** Users and groups whose name the recording has, or whose name is not known so far. */
  readonly #met: Record<AccountKind, Map<number, string | undefined>> = { user: new Map(), group: new Map() };

  constructor(sink: EventSink, names: AccountNames) {
    this.#sink = sink;
    this.#names = names;
  }

  /** From now on rows go there. */
  redirect(sink: EventSink): void {
    this.#sink = sink;
  }

  /** The row of a credential. Equal ones get equal rows. */
  add(credential: Credential): number {
    for (const [kind, id] of accountsIn(credential)) this.#meet(kind, id);
    return this.#sink.credential(credential);
  }

  /** What a user is called; undefined where it is not known so far. */
  userName(uid: number): string | undefined {
    return this.#met.user.get(uid);
  }

  /** Passes to the recording what has become known since the last time. */
  refreshNames(): void {
    for (const { kind, id, name } of this.#names.takeFound()) this.#tell(kind, id, name);
  }

  #meet(kind: AccountKind, id: number): void {
    const met = this.#met[kind];
    if (met.has(id)) return;
    // A process with many users of its own may take any number of them.
    if (met.size >= MOST) met.clear();
    met.set(id, undefined);
    const name = this.#names.find(kind, id);
    if (name !== undefined) this.#tell(kind, id, name);
  }

  #tell(kind: AccountKind, id: number, name: string): void {
    this.#met[kind].set(id, name);
    this.#sink.account(kind, id, name);
  }
}
