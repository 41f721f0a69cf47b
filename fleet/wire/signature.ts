import { createHash, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import type { Signature } from './message.ts';

/** What is signed begins with its purpose, so that bytes signed for one are never taken for the other. */
export type Purpose = 'manifest' | 'placement';

/** More than any threshold; bounds the work that hostile offers make. */
const MOST_SIGNATURES = 16;

function signedBytes(purpose: Purpose, bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`bouheki fleet ${purpose}\n`), bytes]);
}

/** An ed25519 public key of its SPKI DER; undefined for anything else. */
function readPublicKey(der: Buffer): KeyObject | undefined {
  try {
    const key = createPublicKey({ key: der, format: 'der', type: 'spki' });
    return key.asymmetricKeyType === 'ed25519' ? key : undefined;
  } catch {
    return undefined;
  }
}

/** SPKI DER of a public key, or of the public half of a private one. */
export function publicKeyBytes(key: KeyObject): Buffer {
  const half = key.type === 'private' ? createPublicKey(key) : key;
  return half.export({ format: 'der', type: 'spki' });
}

/** What signatures name a key by: the hexadecimal SHA-256 of its SPKI DER. Takes a private key for its public half. */
export function keyId(key: KeyObject): string {
  return createHash('sha256').update(publicKeyBytes(key)).digest('hex');
}

/** ed25519, RFC 8032. */
export function signFor(purpose: Purpose, bytes: Buffer, privateKey: KeyObject): Buffer {
  return sign(null, signedBytes(purpose, bytes), privateKey);
}

/** Never throws, whatever the bytes are. */
export function isSignedBy(purpose: Purpose, bytes: Buffer, signature: Buffer, publicKey: Buffer): boolean {
  const key = readPublicKey(publicKey);
  if (!key) return false;
  try {
    return verify(null, signedBytes(purpose, bytes), key, signature);
  } catch {
    return false;
  }
}

/** How many of the authors, each counted once, have signed the exact bytes of a manifest. Never throws. */
export function countAuthors(
  manifest: Buffer,
  signatures: readonly Signature[],
  authorKeys: readonly Buffer[],
): number {
  const authors = new Map<string, Buffer>();
  for (const der of authorKeys) {
    const key = readPublicKey(der);
    if (key) authors.set(keyId(key), der);
  }
  const valid = signatures.slice(0, MOST_SIGNATURES).filter(({ key, signature }) => {
    const author = authors.get(key);
    return author !== undefined && isSignedBy('manifest', manifest, signature, author);
  });
  return new Set(valid.map(({ key }) => key)).size;
}

/** An author's signature of the exact bytes of a manifest. */
export function signManifest(manifest: Buffer, privateKey: KeyObject): Signature {
  return { key: keyId(privateKey), signature: signFor('manifest', manifest, privateKey) };
}
