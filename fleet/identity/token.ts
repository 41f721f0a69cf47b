import { randomBytes } from 'node:crypto';
import { BouhekiError } from '../../error/error.ts';
import { digestOf } from './key.ts';

/** What a token of a fleet says. */
export interface JoinToken {
  /** HOST:PORT where hosts enrol. */
  enroll: string[];
  /** HOST:PORT that agents connect to. */
  hub: string[];
  /** SHA-256 of the certificate (DER) of the authority, hexadecimal. */
  authority: string;
  /** Of those who sign policies, as `digestOfAuthors` has it. */
  authors: string;
  secret: string;
}

/** Who signs policies: public keys (SPKI DER), and how many of these have to. */
export interface Authors {
  authorKeys: readonly Uint8Array[];
  authorThreshold: number;
}

const PREFIX = 'bouheki-';
const VERSION = 1;
/** A text with as many characters is no token. */
const LONGEST = 4096;

/** A new secret, and by what the engine knows it. */
export function newSecret(): { secret: string; hash: string } {
  const secret = randomBytes(24).toString('base64url');
  return { secret, hash: hashOfSecret(secret) };
}

/** By what the engine knows a secret, hexadecimal. */
export function hashOfSecret(secret: string): string {
  return digestOf(`token\n${secret}`);
}

/** The same for keys in any order, hexadecimal. */
export function digestOfAuthors({ authorKeys, authorThreshold }: Authors): string {
  const keys = [...new Set(authorKeys.map(digestOf))].toSorted();
  return digestOf(['authors', authorThreshold, ...keys].join('\n'));
}

/** One word, which is a secret as long as the token has uses left. */
export function printToken({ authority, authors, enroll, hub, secret }: JoinToken): string {
  const body = { v: VERSION, e: enroll, h: hub, a: authority, k: authors, s: secret };
  return PREFIX + Buffer.from(JSON.stringify(body)).toString('base64url');
}

/** Throws BouhekiError `fleet` for what is no whole token. */
export function parseToken(text: string): JoinToken {
  const word = text.trim();
  const remedy = 'copy the whole word that the hub has printed';
  if (!word.startsWith(PREFIX) || word.length > LONGEST) {
    throw new BouhekiError('fleet', 'this is no token of a hub', { remedy });
  }
  const body = bodyOf(word);
  if (body['v'] !== undefined && body['v'] !== VERSION) {
    throw new BouhekiError('fleet', 'the token is of another version of bouheki', {
      remedy: 'install the version that the hub has',
    });
  }
  const { a: authority, e: enroll, h: hub, k: authors, s: secret } = body;
  const isWhole =
    isDigest(authority) &&
    isDigest(authors) &&
    typeof secret === 'string' &&
    /^[\w-]{16,128}$/.test(secret) &&
    areAddresses(enroll) &&
    areAddresses(hub);
  if (!isWhole) throw new BouhekiError('fleet', 'the token is not whole', { remedy });
  return { authority, authors, enroll, hub, secret };
}

function bodyOf(word: string): Record<string, unknown> {
  try {
    const body: unknown = JSON.parse(Buffer.from(word.slice(PREFIX.length), 'base64url').toString());
    return typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function isDigest(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
}

function areAddresses(value: unknown): value is string[] {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.length <= 16 &&
    value.every((each) => typeof each === 'string' && isAddress(each))
  );
}

/** Whether a text is HOST:PORT, with an address of version 6 in brackets. */
export function isAddress(text: string): boolean {
  const match = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?|\[[0-9a-fA-F:.]+\]):(\d{1,5})$/.exec(
    text,
  );
  return match !== null && Number(match[1]) > 0 && Number(match[1]) <= 65_535;
}
