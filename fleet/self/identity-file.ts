import { mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { BouhekiError } from '../../error/error.ts';
import { readIfThere, writeDurable } from './durable-file.ts';

/** Where a host that has joined keeps what it is: for root alone. */
export const AGENT_DIRECTORY = '/var/lib/bouheki/fleet';

/** What a host was told when it joined, and what it proves itself with. */
export interface AgentIdentity {
  hostId: string;
  /** HOST:PORT where certificates are renewed, and of the hubs. */
  enroll: string[];
  hub: string[];
  /** ed25519, SPKI DER: those that sign policies, and how many of them must. */
  authorKeys: Buffer[];
  authorThreshold: number;
  /** The same of the key that signs placements. */
  hubKey: Buffer;
  /** PEM: PKCS8 of the host's own key, its certificate, and those of authorities. */
  key: string;
  certificate: string;
  trust: string;
}

const FILE = 'identity.json';
const KEY = 'key.pem';
const CERTIFICATE = 'certificate.pem';
const TRUST = 'trust.pem';

/** Whether this host has joined a fleet. */
export function hasJoined(directory: string): boolean {
  return statSync(join(directory, FILE), { throwIfNoEntry: false }) !== undefined;
}

/** Which host of a fleet this is; undefined where it has not joined, or where the file that says so cannot be read. */
export function joinedAs(directory: string): string | undefined {
  try {
    const { hostId } = Object(JSON.parse(readFileSync(join(directory, FILE), 'utf8'))) as {
      hostId?: unknown;
    };
    return typeof hostId === 'string' ? hostId : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Stores an identity, the file that says so last, and removes what was known of another host. Makes the directory. Throws
 * what the system says.
 */
export function writeIdentity(directory: string, identity: AgentIdentity): void {
  const { authorKeys, authorThreshold, certificate, enroll, hostId, hub, hubKey, key, trust } = identity;
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  // Interrupted from here on, this host has not joined, rather than with the key of one host and the name of another.
  if (joinedAs(directory) !== hostId) remove(directory, [FILE, ...OF_HOST]);
  writeDurable(join(directory, KEY), key);
  writeDurable(join(directory, TRUST), trust);
  storeCertificate(directory, certificate);
  const body = {
    format: 1,
    hostId,
    enroll,
    hub,
    authorKeys: authorKeys.map((each) => each.toString('base64')),
    authorThreshold,
    hubKey: hubKey.toString('base64'),
  };
  writeDurable(join(directory, FILE), `${JSON.stringify(body, undefined, 2)}\n`);
}

/** What else belongs to a fleet that was left: another one has other authors, and counts its revisions from 1. */
const MEMORIES = ['highest', 'last-good', 'held'];
/** What belongs to a host of a fleet: another one has other labels, and its evidence is not yet sent. */
const OF_HOST = ['host.json', 'state.json'];

/** Removes the identity of a host with what it remembers of its fleet: first the file that says that it has joined. */
export function forgetIdentity(directory: string): void {
  remove(directory, [FILE, KEY, CERTIFICATE, TRUST, ...OF_HOST, ...MEMORIES]);
}

function remove(directory: string, names: readonly string[]): void {
  for (const name of names) rmSync(join(directory, name), { recursive: true, force: true });
}

/** Stores a certificate (PEM) that has been renewed. */
export function storeCertificate(directory: string, certificate: string): void {
  writeDurable(join(directory, CERTIFICATE), certificate);
}

/** Stores the certificates (PEM) of authorities that are believed from now on. */
export function storeTrust(directory: string, trust: string): void {
  writeDurable(join(directory, TRUST), trust);
}

/**
 * The identity of a host; undefined where it has not joined. Throws BouhekiError `fleet` where a part of it is missing
 * or can't be read, and `untrusted` where others may have written it.
 */
export function readIdentity(directory: string): AgentIdentity | undefined {
  if (!hasJoined(directory)) return undefined;
  requireClosed(directory);
  try {
    const text = (name: string): string => {
      const bytes = readIfThere(join(directory, name));
      if (bytes === undefined) throw new Error(`${name} is missing`);
      return bytes.toString('utf8');
    };
    const parsed = identityIn(JSON.parse(text(FILE)));
    return { ...parsed, key: text(KEY), certificate: text(CERTIFICATE), trust: text(TRUST) };
  } catch (error) {
    throw new BouhekiError('fleet', `the identity of this host in ${directory} cannot be read`, {
      remedy: 'join again, with a new token of the hub',
      detail: (error as Error).message,
      cause: error,
    });
  }
}

/** Throws BouhekiError `untrusted` where others than root and the caller may read or write the directory of an agent. */
export function requireClosed(directory: string): void {
  const { mode, uid } = statSync(directory);
  if ((mode & 0o077) === 0 && (uid === 0 || uid === process.geteuid?.())) return;
  throw new BouhekiError('untrusted', `the directory ${directory} is not closed to other users`, {
    remedy: `chown root ${directory}; chmod 700 ${directory}`,
  });
}

function identityIn(value: unknown): Omit<AgentIdentity, 'key' | 'certificate' | 'trust'> {
  const { authorKeys, authorThreshold, enroll, hostId, hub, hubKey } = Object(value) as Record<
    string,
    unknown
  >;
  if (
    typeof hostId === 'string' &&
    areTexts(enroll) &&
    areTexts(hub) &&
    areTexts(authorKeys) &&
    Number.isSafeInteger(authorThreshold) &&
    typeof hubKey === 'string'
  ) {
    return {
      hostId,
      enroll,
      hub,
      authorKeys: authorKeys.map((each) => Buffer.from(each, 'base64')),
      authorThreshold: authorThreshold as number,
      hubKey: Buffer.from(hubKey, 'base64'),
    };
  }
  throw new Error(`${FILE} has a form that this version does not know`);
}

function areTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}
