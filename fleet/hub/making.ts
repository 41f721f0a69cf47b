import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { BouhekiError } from '../../error/error.ts';
import { type Authority, checkAuthority, issueHub, makeAuthority } from '../identity/authority.ts';
import { pemOf } from '../identity/identity.ts';
import { newKey, newSigningKey, publicKeyOf } from '../identity/key.ts';
import {
  type HubConfig,
  isHub,
  makeHubDirectory,
  NAMES,
  readHubFiles,
  writeHubConfig,
  writeHubFile,
} from './files.ts';

/**
 * Makes the files of a hub; config.json last, so that an interruption leaves none. With no authority one is made. Throws
 * BouhekiError `fleet` where there is a hub already, and for an authority that cannot sign.
 */
export async function makeHub(
  directory: string,
  config: HubConfig,
  given: Authority | undefined,
  now: number,
): Promise<void> {
  if (isHub(directory)) {
    throw new BouhekiError('fleet', `there is a hub in ${directory} already`, {
      remedy: 'name another directory with --dir: a new authority would make every host join again',
    });
  }
  if (given) checkAuthority(given, now);
  const authority = given ?? (await makeAuthority(`bouheki ${config.domain}`, now));
  makeHubDirectory(directory);
  writeHubFile(directory, NAMES.authorityKey, authority.key);
  writeHubFile(directory, NAMES.authority, authority.certificate);
  writeHubFile(directory, NAMES.placementKey, newSigningKey());
  await certifyHub(directory, authority, config.names, now);
  writeHubConfig(directory, config);
}

/** Gives a hub a new key and certificate. */
export async function certifyHub(
  directory: string,
  authority: Authority,
  names: readonly string[],
  now: number,
): Promise<void> {
  const key = newKey();
  const { certificate } = await issueHub(authority, names, publicKeyOf(key), now);
  const pem = pemOf([certificate]);
  // Both in one file: a hub that is interrupted here has either the former two or these.
  writeHubFile(directory, NAMES.key, `${key.trimEnd()}\n${pem}`);
  writeHubFile(directory, NAMES.certificate, pem);
}

/** The steps in which an authority is replaced. */
export type RotationStep = 'begin' | 'switch' | 'end';

/**
 * Replaces an authority in steps, between which every agent must have come: `begin` has the next one believed beside the
 * present one, `switch` has it sign, `end` has the former one believed no more. Throws BouhekiError `fleet` for a step
 * whose turn it is not.
 */
export async function rotateAuthority(directory: string, step: RotationStep, now: number): Promise<void> {
  const { authority, config } = readHubFiles(directory);
  const has = (name: string): boolean => existsSync(join(directory, name));
  const turn = has(NAMES.next) ? 'switch' : has(NAMES.old) ? 'end' : 'begin';
  if (step !== turn) {
    throw new BouhekiError('fleet', `it is not the turn of --${step}`, {
      remedy: `the next step is --${turn}`,
    });
  }
  if (step === 'begin') {
    const next = await makeAuthority(`bouheki ${config.domain}`, now);
    writeHubFile(directory, NAMES.nextKey, next.key);
    writeHubFile(directory, NAMES.next, next.certificate);
  } else if (step === 'switch') {
    const next = nextOf(directory);
    await certifyHub(directory, next, config.names, now);
    // Not of the next one, where this was interrupted after that had taken its place.
    if (authority.certificate !== next.certificate) writeHubFile(directory, NAMES.old, authority.certificate);
    writeHubFile(directory, NAMES.authorityKey, next.key);
    writeHubFile(directory, NAMES.authority, next.certificate);
    for (const name of [NAMES.next, NAMES.nextKey]) rmSync(join(directory, name));
  } else rmSync(join(directory, NAMES.old));
}

function nextOf(directory: string): Authority {
  const text = (name: string): string => readFileSync(join(directory, name), 'utf8');
  return { certificate: text(NAMES.next), key: text(NAMES.nextKey) };
}
