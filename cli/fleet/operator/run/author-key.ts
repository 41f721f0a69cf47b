import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { visible } from '../../../../error/visible.ts';
import { BouhekiError } from '../../../../error/error.ts';
import { keyId } from '../../../../fleet/wire/signature.ts';
import { cannotWrite } from '../../../option/output-file.ts';

/** Makes a key where there is none, and prints the public half. */
export function makeAuthorKey(path: string): void {
  const isMade = !existsSync(path);
  if (isMade) {
    const pem = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' });
    try {
      writeFileSync(path, pem, { mode: 0o600, flag: 'wx', flush: true });
    } catch (error) {
      throw cannotWrite(path, error);
    }
  }
  const key = readAuthorKey(path);
  process.stdout.write(createPublicKey(key).export({ format: 'pem', type: 'spki' }));
  process.stderr.write(`${isMade ? 'Made' : 'Read'} the key ${keyId(key)} in ${visible(path)}\n`);
}

/** A private key that signs policies. Throws BouhekiError `fleet` for any other file. */
export function readAuthorKey(path: string): KeyObject {
  try {
    const key = createPrivateKey(readFileSync(path));
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch (error) {
    throw notAKey(path, error);
  }
  throw notAKey(path);
}

/** A public key of an author; of a private one its public half. Throws BouhekiError `fleet` for any other file. */
export function readPublicAuthorKey(path: string): KeyObject {
  try {
    const key = createPublicKey(readFileSync(path));
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch (error) {
    throw notAKey(path, error);
  }
  throw notAKey(path);
}

function notAKey(path: string, cause?: unknown): BouhekiError {
  return new BouhekiError('fleet', `${path} is no key of an author`, {
    remedy: 'make one with `bouheki fleet author-key`',
    cause,
  });
}
