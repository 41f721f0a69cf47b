import type { Session } from './session.ts';

/**
 * Finds hosts whose identity is in use twice. An agent that started again leaves a stream behind which may take a while to
 * be noticed, so two streams are not enough: the earlier one must speak after the later one has begun. An agent never
 * goes back to a certificate that was replaced, so that is a sign too.
 */
export class Clones {
  /** By host, the serial of the newest certificate that was used here. */
  readonly #newest = new Map<string, string>();

  /** Whether a stream begins with a certificate older than one that this host has used. */
  begins({ host, identity }: Session): boolean {
    const isNewest = identity.serial === host.serial;
    if (isNewest) this.#newest.set(host.id, identity.serial);
    return !isNewest && host.serial !== '' && this.#newest.get(host.id) === host.serial;
  }

  /** Whether a message on one stream of a host shows that another is a second agent. */
  static speaks(session: Session, others: Iterable<Session>): boolean {
    for (const other of others) {
      const isOther = other !== session && other.instance !== '' && other.instance !== session.instance;
      if (isOther && other.opened > session.opened) return true;
    }
    return false;
  }
}
