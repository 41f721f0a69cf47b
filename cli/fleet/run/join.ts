import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { BouhekiError } from '../../../error/error.ts';
import { visibleLines } from '../../../error/visible.ts';
import { pemOf } from '../../../fleet/identity/identity.ts';
import { newKey } from '../../../fleet/identity/key.ts';
import { fetchAuthority } from '../../../fleet/identity/pin.ts';
import { makeRequest } from '../../../fleet/identity/request.ts';
import { digestOfAuthors, isAddress, type JoinToken, parseToken } from '../../../fleet/identity/token.ts';
import { writeDurable } from '../../../fleet/self/durable-file.ts';
import { forgetIdentity, hasJoined, readIdentity, writeIdentity } from '../../../fleet/self/identity-file.ts';
import { withHub } from '../../../fleet/wire/client.ts';
import type { Identity } from '../../../fleet/wire/message.ts';
import { packageVersion } from '../../report/version.ts';

/** What `join` was asked for. */
export interface JoinOptions {
  token?: string;
  tokenFile?: string;
  name?: string;
  dir: string;
  force: boolean;
}

/** Of a host whose call was not answered: with the same key it is the same host, and no second use of the token. */
const PENDING_KEY = 'joining-key.pem';
const ENROLL_PORT = 8444;
const MACHINE_ID = '/etc/machine-id';

function say(text: string): void {
  process.stdout.write(visibleLines(`${text}\n`));
}

/** Makes this host one of a fleet. */
export async function joinFleet(hub: string | undefined, options: JoinOptions): Promise<void> {
  const { dir, force, name = hostname() } = options;
  if (hasJoined(dir) && !force) {
    throw new BouhekiError('fleet', 'this host has joined a fleet already', {
      remedy: 'leave it with `bouheki leave`, or join anew with --force',
    });
  }
  const token = parseToken(tokenIn(options));
  const enroll = hub === undefined ? token.enroll : [enrollAddress(hub)];
  const { address, trust } = await firstHub(enroll, token.authority);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const key = pendingKey(dir);
  const csr = await makeRequest(key);
  const identity = await withHub([address], { trust }, (client) =>
    client.call('Enrollment/Join', {
      token: tokenIn(options),
      csr,
      name,
      machineId: machineId(),
      agentVersion: packageVersion(),
    }),
  );
  requireAuthors(identity, token);
  store(dir, identity, { key, token: { ...token, enroll } });
  rmSync(join(dir, PENDING_KEY), { force: true });
  say(`This host is ${identity.hostId} of the fleet at ${token.hub.join(', ')}.
bouheki learn and bouheki enforce report to it from their next start on.`);
}

/** A host believes for good whom the hub names now, so these have to be the same as when the token was made. */
function requireAuthors(identity: Identity, { authors }: JoinToken): void {
  if (digestOfAuthors(identity) === authors) return;
  throw new BouhekiError('untrusted', 'the hub names other authors of policies than the token was made for', {
    remedy:
      'where they were changed on purpose, make a new token with `bouheki hub token`; otherwise do not trust this hub',
  });
}

function tokenIn({ token, tokenFile }: JoinOptions): string {
  if (token !== undefined && tokenFile === undefined) return token;
  if (token === undefined && tokenFile !== undefined) return readToken(tokenFile);
  throw new BouhekiError('usage', 'a token is named by either --token or --token-file', {
    remedy: 'name one that `bouheki hub token` has printed',
  });
}

const read = new Map<string, string>();

/** Once: it may be a pipe. */
function readToken(path: string): string {
  const known = read.get(path);
  if (known !== undefined) return known;
  try {
    const text = readFileSync(path === '-' ? 0 : path, 'utf8').trim();
    read.set(path, text);
    return text;
  } catch (error) {
    throw new BouhekiError('usage', `cannot read ${path}`, {
      remedy: 'name a file that you may read',
      detail: (error as Error).message,
      cause: error,
    });
  }
}

function enrollAddress(hub: string): string {
  const address = /:\d+$/.test(hub) ? hub : `${hub}:${ENROLL_PORT}`;
  if (isAddress(address)) return address;
  throw new BouhekiError('usage', `${hub} is no address of a hub`, {
    remedy: 'name HOST or HOST:PORT, with an address of version 6 in brackets',
  });
}

/** The first hub that answers, with the authority that the token knows by its digest. */
async function firstHub(addresses: readonly string[], digest: string) {
  for (const [at, address] of addresses.entries()) {
    try {
      return { address, trust: await fetchAuthority(address, digest) };
    } catch (error) {
      const isLast = at === addresses.length - 1;
      if (isLast || !(error instanceof BouhekiError) || error.code !== 'fleet-away') throw error;
    }
  }
  throw new BouhekiError('fleet', 'the token is not whole');
}

function pendingKey(dir: string): string {
  const path = join(dir, PENDING_KEY);
  if (existsSync(path)) return readFileSync(path, 'utf8');
  const key = newKey();
  writeDurable(path, key);
  return key;
}

/** Its digest: the id itself is a secret of the host. */
function machineId(): string {
  const id = existsSync(MACHINE_ID) ? readFileSync(MACHINE_ID, 'utf8').trim() : '';
  return id === '' ? '' : createHash('sha256').update(`bouheki ${id}`).digest('hex');
}

function store(dir: string, identity: Identity, { key, token }: { key: string; token: JoinToken }): void {
  const { authorKeys, authorThreshold, certificate, hostId, hubKey, trustBundle } = identity;
  writeIdentity(dir, {
    hostId,
    enroll: token.enroll,
    hub: token.hub,
    authorKeys,
    authorThreshold,
    hubKey,
    key,
    certificate: pemOf([certificate]),
    trust: pemOf(trustBundle),
  });
}

/** Takes this host out of its fleet. */
export function leaveFleet({ dir }: { dir: string }): void {
  const id = hostIdIn(dir);
  forgetIdentity(dir);
  say(`This host${id === undefined ? '' : `, ${id},`} has left its fleet. A policy that is in force stays until the next start.
The hub still knows it until an operator revokes it.`);
}

function hostIdIn(dir: string): string | undefined {
  if (!hasJoined(dir)) {
    throw new BouhekiError('fleet', 'this host has joined no fleet', {
      remedy: 'join one with `bouheki join`',
    });
  }
  try {
    return readIdentity(dir)?.hostId;
  } catch (error) {
    // One that is damaged can be left all the same.
    if (error instanceof BouhekiError && error.code === 'fleet') return undefined;
    throw error;
  }
}
