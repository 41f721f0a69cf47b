import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { BouhekiError } from '../../error/error.ts';
import type { Authority } from '../identity/authority.ts';
import { certificatesIn, DOMAIN, isName, pemOf } from '../identity/identity.ts';
import { digestOf } from '../identity/key.ts';
import { isAddress } from '../identity/token.ts';
import { writeDurable } from '../self/durable-file.ts';

/** What is told about a hub, and what it is told: config.json. */
export interface HubConfig {
  /** Names and addresses of the hubs, which their certificates have. */
  names: string[];
  /** HOST:PORT where hosts enrol, and that agents and operators connect to. */
  enroll: string[];
  hub: string[];
  /** Of the URIs in certificates. */
  domain: string;
  /** How many authors have to sign a policy. */
  authorThreshold: number;
  /** Names of operators whose certificates are worth nothing any more. */
  revokedOperators: string[];
}

/** All that a hub reads from its directory. */
export interface HubFiles {
  config: HubConfig;
  /** What signs certificates now. */
  authority: Authority;
  /** Every authority that is believed, DER, and as PEM. */
  trust: Buffer[];
  trustPem: string;
  /** What the hub shows: its certificate with its authority's. PEM. */
  certificate: string;
  key: string;
  /** When that certificate is valid, milliseconds since the epoch. */
  life: { begins: number; ends: number };
  placementKey: KeyObject;
  /** SPKI DER. */
  authorKeys: Buffer[];
}

export const NAMES = {
  authority: 'ca.pem',
  authorityKey: 'ca-key.pem',
  next: 'ca-next.pem',
  nextKey: 'ca-next-key.pem',
  old: 'ca-old.pem',
  certificate: 'hub.pem',
  key: 'hub-key.pem',
  placementKey: 'placement-key.pem',
  config: 'config.json',
  authors: 'authors',
} as const;

/** Whether a hub was made in a directory. */
export function isHub(directory: string): boolean {
  return existsSync(join(directory, NAMES.config));
}

/** Makes the directory of a hub, for its owner alone, with that of the public keys of authors. */
export function makeHubDirectory(directory: string): void {
  mkdirSync(join(directory, NAMES.authors), { recursive: true, mode: 0o700 });
}

/** Writes a file of a hub, for its owner alone, whole or not at all. */
export function writeHubFile(directory: string, name: string, text: string): void {
  writeDurable(join(directory, name), text);
}

export function writeHubConfig(directory: string, config: HubConfig): void {
  writeHubFile(directory, NAMES.config, `${JSON.stringify(config, undefined, 2)}\n`);
}

/** Throws BouhekiError `fleet` where a file is missing or cannot be used, `untrusted` where others can read keys. */
export function readHubFiles(directory: string): HubFiles {
  if (!isHub(directory)) {
    throw new BouhekiError('fleet', `there is no hub in ${directory}`, {
      remedy: 'make one with `bouheki hub init`, or name its directory with --dir',
    });
  }
  requireClosed(directory);
  try {
    return filesIn(directory);
  } catch (error) {
    if (error instanceof BouhekiError) throw error;
    throw new BouhekiError('fleet', `the files of the hub in ${directory} cannot be used`, {
      remedy: 'mend what the line below names, or copy the directory of another hub of the fleet',
      detail: (error as Error).message,
      cause: error,
    });
  }
}

function filesIn(directory: string): HubFiles {
  const text = (name: string): string => readFileSync(join(directory, name), 'utf8');
  const more = [NAMES.next, NAMES.old].filter((name) => existsSync(join(directory, name)));
  const authority = { certificate: text(NAMES.authority), key: text(NAMES.authorityKey) };
  const trust = certificatesIn([authority.certificate, ...more.map(text)].join('\n'));
  if (trust.length === 0) throw new Error(`${NAMES.authority} has no certificate`);
  const placementKey = createPrivateKey(text(NAMES.placementKey));
  if (placementKey.asymmetricKeyType !== 'ed25519')
    throw new Error(`${NAMES.placementKey} is no ed25519 key`);
  const key = text(NAMES.key);
  const certificate = certificateFor(key) ?? text(NAMES.certificate);
  if (!new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key))) {
    throw new Error(`${NAMES.certificate} is not of the key in ${NAMES.key}`);
  }
  return {
    config: configIn(JSON.parse(text(NAMES.config))),
    authority,
    trust,
    trustPem: pemOf(trust),
    certificate: `${certificate.trimEnd()}\n${authority.certificate}`,
    key,
    life: lifeOf(certificate),
    placementKey,
    authorKeys: authorsIn(join(directory, NAMES.authors)),
  };
}

/** What is with a key in one file, so that neither is ever there without the other. */
function certificateFor(key: string): string | undefined {
  const [certificate] = certificatesIn(key);
  return certificate && pemOf([certificate]);
}

function lifeOf(pem: string): { begins: number; ends: number } {
  const { validFrom, validTo } = new X509Certificate(pem);
  return { begins: Date.parse(validFrom), ends: Date.parse(validTo) };
}

function authorsIn(folder: string): Buffer[] {
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder).filter((name) => name.endsWith('.pem'));
  return files.toSorted().map((name) => {
    const pem = readFileSync(join(folder, name), 'utf8');
    if (pem.includes('PRIVATE KEY')) {
      throw new BouhekiError(
        'untrusted',
        `the private key of an author is on the hub: ${join(folder, name)}`,
        {
          remedy: 'replace it by its public half: who has the hub could sign policies',
        },
      );
    }
    const key = createPublicKey(pem);
    if (key.asymmetricKeyType !== 'ed25519') throw new Error(`${name} is no ed25519 key`);
    return key.export({ type: 'spki', format: 'der' });
  });
}

function configIn(value: unknown): HubConfig {
  const read = Object(value) as Record<keyof HubConfig, unknown>;
  const { authorThreshold = 1, domain = DOMAIN, enroll, hub, names, revokedOperators = [] } = read;
  const isWhole =
    areTexts(names) &&
    areTexts(enroll) &&
    areTexts(hub) &&
    areTexts(revokedOperators) &&
    [...enroll, ...hub].every(isAddress) &&
    typeof domain === 'string' &&
    isName(domain) &&
    Number.isSafeInteger(authorThreshold) &&
    (authorThreshold as number) >= 1;
  if (!isWhole) throw new Error(`${NAMES.config} has a form that this version does not know`);
  return { authorThreshold: authorThreshold as number, domain, enroll, hub, names, revokedOperators };
}

function areTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}

function requireClosed(directory: string): void {
  for (const name of [NAMES.authorityKey, NAMES.key, NAMES.placementKey]) {
    const { mode } = statSync(join(directory, name), { throwIfNoEntry: false }) ?? { mode: 0 };
    if ((mode & 0o077) === 0) continue;
    throw new BouhekiError('untrusted', `other users can read ${join(directory, name)}`, {
      remedy: `chmod 600 ${join(directory, name)}`,
    });
  }
}

/** The SHA-256 of each certificate (DER), hexadecimal: as agents report what they believe. */
export function trustHashes(trust: readonly Buffer[]): string[] {
  return trust.map((each) => digestOf(each));
}

/** When the files of a hub were changed last, as one text that differs where any was. */
export function stampOf(directory: string): string {
  const folder = join(directory, NAMES.authors);
  const authors = existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];
  const files = Object.values(NAMES).map((name) => join(directory, name));
  return [...files, ...authors]
    .map((path) => {
      const stats = statSync(path, { throwIfNoEntry: false });
      return `${path} ${stats?.mtimeMs} ${stats?.size} ${stats?.ino}`;
    })
    .join('\n');
}
