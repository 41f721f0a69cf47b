import { setTimeout as sleep } from 'node:timers/promises';
import { BouhekiError } from '../../error/error.ts';
import type { Engine, HostRow } from '../engine/engine.ts';
import { type CertificateIdentity, identityOf, type Role } from '../identity/identity.ts';
import { digestOf } from '../identity/key.ts';
import { type Peer, ShutOut } from '../wire/server.ts';
import type { HubFiles } from './files.ts';

/** For the engine to say what it knows of a host that was known before, milliseconds. */
const PATIENCE = 2000;
/** Certificates whose reading is remembered: it takes a hundred times as long as their digest. */
const REMEMBERED = 20_000;

/** Who may ask for what: asked anew at each call, for a connection outlives what its certificate was worth. */
export class Admission {
  readonly #engine: Pick<Engine, 'host' | 'used'>;
  readonly #files: () => HubFiles;
  readonly #read = new Map<string, CertificateIdentity | undefined>();
  /** By host, the serial of a certificate that is known to have been used: a host that joins again uses another. */
  readonly #used = new Map<string, string>();

  constructor(engine: Pick<Engine, 'host' | 'used'>, files: () => HubFiles) {
    this.#engine = engine;
    this.#files = files;
  }

  /**
   * The host that calls. Throws `ShutOut` for anyone else and for one that was revoked, BouhekiError `fleet-away` where
   * the engine cannot say in time, unless `known` has the host.
   */
  async host(
    peer: Peer,
    known?: (id: string) => HostRow | undefined,
  ): Promise<{ row: HostRow; identity: CertificateIdentity }> {
    const identity = this.#identity(peer, 'host');
    const row = await this.#row(identity.id, known);
    if (row === undefined || row.keyHash !== identity.keyHash) {
      throw new ShutOut('this host is not known: join again');
    }
    if (row.state === 'revoked') throw new ShutOut('this host was revoked');
    void this.#use(identity);
    return { row, identity };
  }

  /** The name of the operator that calls. Throws `ShutOut` for anyone else. */
  operator(peer: Peer): string {
    const { id } = this.#identity(peer, 'operator');
    if (this.#files().config.revokedOperators.includes(id)) throw new ShutOut('this operator was revoked');
    return id;
  }

  async #row(id: string, known?: (id: string) => HostRow | undefined): Promise<HostRow | undefined> {
    const row = known?.(id);
    if (row === undefined) return await this.#engine.host(id);
    const late = new AbortController();
    const asked = this.#engine.host(id).catch((error: unknown) => {
      if (error instanceof BouhekiError && error.code === 'fleet-away') return row;
      throw error;
    });
    try {
      return await Promise.race([asked, sleep(PATIENCE, row, { signal: late.signal })]);
    } finally {
      late.abort();
    }
  }

  /** The first use spends the token's; later ones ask nothing of the engine. */
  async #use({ id, serial }: CertificateIdentity): Promise<void> {
    if (this.#used.get(id) === serial) return;
    await this.#engine.used(id).then(
      () => this.#used.set(id, serial),
      () => undefined,
    );
  }

  #identity({ certificate }: Peer, role: Role): CertificateIdentity {
    const identity = certificate && this.#identityIn(certificate);
    if (identity?.role !== role) throw new ShutOut(`this is for the certificate of ${WANTED[role]}`);
    return identity;
  }

  #identityIn(certificate: Buffer): CertificateIdentity | undefined {
    const { domain } = this.#files().config;
    const digest = `${domain} ${digestOf(certificate)}`;
    if (this.#read.has(digest)) return this.#read.get(digest);
    const identity = identityOf(certificate, domain);
    if (this.#read.size >= REMEMBERED) this.#read.clear();
    this.#read.set(digest, identity);
    return identity;
  }
}

const WANTED: Record<Role, string> = { host: 'a host', operator: 'an operator' };
