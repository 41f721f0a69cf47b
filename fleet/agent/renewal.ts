import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import { pemOf } from '../identity/identity.ts';
import { makeRequest, proveRenewal, renewAt } from '../identity/request.ts';
import { type AgentIdentity, storeCertificate, storeTrust } from '../self/identity-file.ts';
import type { Identity } from '../wire/message.ts';
import { withHub } from '../wire/client.ts';

/** Whether the certificate of a host is to be renewed, or has ended. Milliseconds since the epoch. */
export function isDue({ certificate, hostId }: AgentIdentity, now: number): boolean {
  const { serialNumber, validFrom, validTo } = new X509Certificate(certificate);
  const chance = createHash('sha256').update(`${hostId} ${serialNumber}`).digest().readUInt32BE() / 2 ** 32;
  return now >= renewAt({ begins: Date.parse(validFrom), ends: Date.parse(validTo) }, chance);
}

/** When the certificate of a host ends, milliseconds since the epoch. */
export function endOf({ certificate }: AgentIdentity): number {
  return Date.parse(new X509Certificate(certificate).validTo);
}

/** Asks for a new certificate by proof of the pinned key, stores it, and returns the identity with it. Throws BouhekiError. */
export async function renew(directory: string, identity: AgentIdentity, now: number): Promise<AgentIdentity> {
  const { enroll, hostId, key, trust } = identity;
  const csr = await makeRequest(key);
  const request = { hostId, csr, time: now, signature: proveRenewal(key, hostId, now, csr) };
  const answer = await withHub(enroll, { trust }, async (hub) => await hub.call('Enrollment/Renew', request));
  const renewed = { ...identity, certificate: certificateIn(answer, identity) };
  storeCertificate(directory, renewed.certificate);
  return answer.trustBundle.length === 0 ? renewed : believe(directory, renewed, answer.trustBundle);
}

/** Stores the authorities (DER) that a hub says are believed from now on. Throws for what is no certificate. */
export function believe(
  directory: string,
  identity: AgentIdentity,
  bundle: readonly Buffer[],
): AgentIdentity {
  const trust = pemOf(bundle);
  if (trust === '' || trust === identity.trust) return identity;
  storeTrust(directory, trust);
  return { ...identity, trust };
}

/** SHA-256 of each authority that is believed, hexadecimal. */
export function trustHashes({ trust }: AgentIdentity): string[] {
  const each = trust.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return each.map((pem) => createHash('sha256').update(new X509Certificate(pem).raw).digest('hex'));
}

/** A certificate for another key would lock this host out. */
function certificateIn({ certificate }: Identity, { key }: AgentIdentity): string {
  const pem = pemOf([certificate]);
  const renewed = new X509Certificate(pem);
  if (!renewed.checkPrivateKey(createPrivateKey(key))) throw new Error('the certificate is for another key');
  return pem;
}
