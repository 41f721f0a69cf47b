import { BouhekiError } from '../../error/error.ts';
import { isUnsafe } from '../../error/visible.ts';
import type { Engine } from '../engine/engine.ts';
import { HOST_LIFE, issueClient } from '../identity/authority.ts';
import { uriOf } from '../identity/identity.ts';
import { digestOf, publicKeyOf } from '../identity/key.ts';
import { checkRenewal, readRequest } from '../identity/request.ts';
import { hashOfSecret, parseToken } from '../identity/token.ts';
import type { Identity, JoinRequest, Limits, RenewRequest } from '../wire/message.ts';
import { Busy, type ServiceHandlers, ShutOut } from '../wire/server.ts';
import type { HubFiles } from './files.ts';

/**
 * Calls that are answered at a time: anybody may ask, a certificate costs milliseconds of a processor, and each call has one
 * of the few connections to the engine.
 */
const AT_ONCE = 3;
const LONGEST_NAME = 253;

export interface EnrollmentParts {
  engine: Engine;
  files: () => HubFiles;
  limits: Limits;
  now: () => number;
}

/** What hosts without a certificate, or with an expired one, ask. */
export class Enrollment {
  readonly #parts: EnrollmentParts;
  #running = 0;

  constructor(parts: EnrollmentParts) {
    this.#parts = parts;
  }

  get handlers(): ServiceHandlers['Enrollment'] {
    return {
      Join: (request) => this.#one(() => this.#join(request)),
      Renew: (request) => this.#one(() => this.#renew(request)),
    };
  }

  async #one(work: () => Promise<Identity>): Promise<Identity> {
    if (this.#running >= AT_ONCE) throw new Busy(500 + Math.random() * 1500);
    this.#running++;
    try {
      return await work();
    } finally {
      this.#running--;
    }
  }

  async #join({ agentVersion, csr, machineId, name, token }: JoinRequest): Promise<Identity> {
    const { engine, now } = this.#parts;
    const { secret } = parseToken(token);
    const publicKey = await readRequest(csr);
    if (publicKey === undefined) throw new BouhekiError('fleet', 'this is no request for a certificate');
    if (isUnsafe(name)) throw new BouhekiError('fleet', 'the name of this host holds control characters');
    const host = await engine.enrol(
      hashOfSecret(secret),
      {
        name: name.slice(0, LONGEST_NAME),
        machineId: machineId.slice(0, 64),
        keyHash: digestOf(publicKey),
        publicKey,
        agentVersion: agentVersion.slice(0, 64),
      },
      now(),
    );
    if (host === undefined) {
      throw new BouhekiError('fleet', 'this token is not known, has expired, or has no use left', {
        remedy: 'make a new one with `bouheki hub token`',
      });
    }
    if (host.state === 'revoked') throw new ShutOut('this host was revoked');
    await engine.audit(`host ${host.id}`, `join ${host.name}`, now());
    return await this.#identity(host.id, publicKey);
  }

  async #renew({ csr, hostId, signature, time }: RenewRequest): Promise<Identity> {
    const { engine, now } = this.#parts;
    const host = UUID.test(hostId) ? await engine.host(hostId) : undefined;
    // The same answer for a host that is not there, so that ids cannot be tried out.
    if (host === undefined) throw new ShutOut('this key is not that of the host');
    const fault = checkRenewal({ hostId, csr, time, signature }, host, now());
    const publicKey = fault === undefined ? await readRequest(csr) : undefined;
    if (fault === 'signature') throw new ShutOut('this key is not that of the host');
    if (fault === 'time')
      throw new BouhekiError('fleet', 'the clocks of host and hub are more than an hour apart');
    if (fault === 'late') throw new ShutOut('the certificate ended more than 90 days ago: join again');
    if (host.state === 'revoked') throw new ShutOut('this host was revoked');
    if (publicKey === undefined || digestOf(publicKey) !== host.keyHash) {
      throw new BouhekiError('fleet', 'this is no request for a certificate');
    }
    return await this.#identity(host.id, publicKey);
  }

  async #identity(hostId: string, publicKey: Buffer): Promise<Identity> {
    const { engine, files, limits, now } = this.#parts;
    const { authority, authorKeys, config, placementKey, trust } = files();
    const uri = uriOf(config.domain, 'host', hostId);
    const issued = await issueClient(authority, { uri, publicKey, life: HOST_LIFE }, now());
    await engine.issued(hostId, issued.serial, issued.ends);
    return {
      certificate: issued.certificate,
      trustBundle: trust,
      authorKeys,
      authorThreshold: config.authorThreshold,
      hubKey: publicKeyOf(placementKey.export({ type: 'pkcs8', format: 'pem' }).toString()),
      hostId,
      limits,
    };
  }
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
