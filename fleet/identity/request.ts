import 'reflect-metadata';
import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import { Pkcs10CertificateRequest, Pkcs10CertificateRequestGenerator } from '@peculiar/x509';
import { digestOf, signerOf } from './key.ts';
import { DAY } from './authority.ts';

/** How long after a certificate's end its key is still believed, milliseconds. */
export const RENEWABLE = 90 * DAY;
/** How far a request to renew may be from the hub's clock, milliseconds. */
const FRESH = 60 * 60_000;
/** The longest request that is read, bytes. */
const LONGEST = 8192;

/** A request for a certificate for a key (PKCS8 PEM): PKCS #10, DER. What it is called, the hub decides. */
export async function makeRequest(key: string): Promise<Buffer> {
  const { keys, signing } = await signerOf(key);
  const request = await Pkcs10CertificateRequestGenerator.create({ signingAlgorithm: signing, keys });
  return Buffer.from(request.rawData);
}

/** The public key (SPKI DER) of a request, undefined unless it is a P-256 key and the request is signed by it. */
export async function readRequest(csr: Uint8Array): Promise<Buffer | undefined> {
  if (csr.length > LONGEST) return undefined;
  try {
    const request = new Pkcs10CertificateRequest(csr);
    const publicKey = Buffer.from(request.publicKey.rawData);
    const { asymmetricKeyDetails } = createPublicKey({ key: publicKey, format: 'der', type: 'spki' });
    if (asymmetricKeyDetails?.namedCurve !== 'prime256v1') return undefined;
    return (await request.verify()) ? publicKey : undefined;
  } catch {
    // Bytes of others.
    return undefined;
  }
}

function proven(hostId: string, time: number, csr: Uint8Array): Buffer {
  return Buffer.from(`renew\n${hostId}\n${time}\n${digestOf(csr)}`);
}

/** Proof that the key (PEM) of a host asks for a new certificate. */
export function proveRenewal(key: string, hostId: string, time: number, csr: Uint8Array): Buffer {
  return sign('sha256', proven(hostId, time, csr), createPrivateKey(key));
}

export interface RenewalProof {
  hostId: string;
  csr: Uint8Array;
  time: number;
  signature: Uint8Array;
}

/** Why a renewal is refused; undefined: it is not. */
export type RenewalFault = 'signature' | 'time' | 'late';

/** Whether a proof is by the pinned key (SPKI DER), made now, and not too late after the certificate's end. */
export function checkRenewal(
  { csr, hostId, signature, time }: RenewalProof,
  pinned: { publicKey: Buffer; certificateEnds: number },
  now: number,
): RenewalFault | undefined {
  const key = createPublicKey({ key: pinned.publicKey, format: 'der', type: 'spki' });
  if (!verify('sha256', proven(hostId, time, csr), key, signature)) return 'signature';
  if (Math.abs(now - time) > FRESH) return 'time';
  return now > pinned.certificateEnds + RENEWABLE ? 'late' : undefined;
}

/**
 * When a certificate is to be renewed: at half of its life, 10 % of it more or less, so that hosts which joined at once
 * do not renew at once. `chance` is from 0 to 1, and the same for one certificate. Milliseconds since the epoch.
 */
export function renewAt({ begins, ends }: { begins: number; ends: number }, chance: number): number {
  const life = ends - begins;
  return begins + life / 2 + life * 0.1 * (2 * chance - 1);
}
