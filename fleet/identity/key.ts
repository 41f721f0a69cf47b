import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  webcrypto,
} from 'node:crypto';
import { BouhekiError } from '../../error/error.ts';

/** How a kind of key signs, in the words of Web Cryptography. */
type Signing = { name: string; namedCurve?: string; hash: string };

/** A new key for a certificate: P-256, PKCS8 PEM. */
export function newKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** A new key that signs placements or policies: ed25519, PKCS8 PEM. */
export function newSigningKey(): string {
  const { privateKey } = generateKeyPairSync('ed25519');
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** The public half of a private key or of a public one (PEM), SPKI DER. */
export function publicKeyOf(pem: string): Buffer {
  return createPublicKey(pem).export({ type: 'spki', format: 'der' });
}

/** SHA-256, hexadecimal: how keys, certificates and secrets are named. */
export function digestOf(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** A private key with what signs by it. Throws BouhekiError `fleet` for a kind that certificates here do not have. */
export async function signerOf(pem: string): Promise<{ keys: webcrypto.CryptoKeyPair; signing: Signing }> {
  const key = createPrivateKey(pem);
  const signing = signingOf(key);
  const [privateKey, publicKey] = await Promise.all([
    webcrypto.subtle.importKey('pkcs8', key.export({ type: 'pkcs8', format: 'der' }), signing, true, [
      'sign',
    ]),
    webcrypto.subtle.importKey('spki', publicKeyOf(pem), signing, true, ['verify']),
  ]);
  return { keys: { privateKey, publicKey }, signing };
}

const CURVES: Readonly<Record<string, Signing>> = {
  prime256v1: { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  secp384r1: { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' },
};

function signingOf(key: KeyObject): Signing {
  const { asymmetricKeyDetails, asymmetricKeyType } = key;
  const curve = CURVES[asymmetricKeyDetails?.namedCurve ?? ''];
  if (asymmetricKeyType === 'ec' && curve !== undefined) return curve;
  if (asymmetricKeyType === 'rsa') return { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
  throw new BouhekiError('fleet', `a key of the kind ${asymmetricKeyType} can sign no certificate here`, {
    remedy: 'use a key of the kind P-256, P-384 or RSA',
  });
}
