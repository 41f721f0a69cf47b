import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { BouhekiError } from '../../../error/error.ts';
import { readIfThere, syncDirectory, writeDurable } from '../../self/durable-file.ts';
import { type Manifest, type Placement, readManifest, readPlacement } from '../../wire/manifest.ts';
import type { Offer, Signature } from '../../wire/message.ts';
import type { Highest, VerifiedOffer } from '../../wire/verify-offer.ts';

const FOLDER = 'held';
/** Names the policy that was confirmed last. */
const LAST_GOOD = 'last-good';
const HIGHEST = 'highest';

/** A policy that was offered, verified and stored, byte for byte. */
export interface HeldPolicy {
  /** Its absolute path. */
  file: string;
  manifest: Manifest;
  placement: Placement;
  body: Buffer;
}

/** What of a fleet's policies was here: kept apart from them, so that no older one comes back. */
export interface Seen extends Highest {
  workload: string;
}

/** A stored offer as JSON. */
interface HeldText {
  format: 1;
  manifest: string;
  manifestSignatures: { key: string; signature: string }[];
  placement: string;
  placementSignature: string;
  body: string;
}

/** The policies that a host has been given, in its directory. Each is a file that never changes. */
export class HeldPolicies {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** The policy that was confirmed last; undefined where there is none, or where its files are broken. */
  lastGood(): HeldPolicy | undefined {
    try {
      return this.requireGood();
    } catch {
      return undefined;
    }
  }

  /** The same. Throws BouhekiError where its files are broken. */
  requireGood(): HeldPolicy | undefined {
    const path = join(this.#directory, LAST_GOOD);
    try {
      const name = readIfThere(path)?.toString('utf8').trim();
      if (name === undefined) return undefined;
      if (name === '' || name !== basename(name)) throw new Error(`${path} names no policy`);
      return readHeld(join(this.#directory, FOLDER, name));
    } catch (error) {
      throw new BouhekiError('fleet', `what ${path} names cannot be read`, {
        remedy:
          'nothing: the hub offers the policy again when it is reached; `bouheki status` says what is in force',
        detail: (error as Error).message,
      });
    }
  }

  /** What was here, whatever has become of the policies. */
  seen(): Seen | undefined {
    const bytes = readIfThere(join(this.#directory, HIGHEST));
    if (bytes === undefined) return undefined;
    const { manifest, revision, workload } = Object(JSON.parse(bytes.toString('utf8'))) as Partial<Seen>;
    if (typeof manifest === 'string' && typeof workload === 'string' && Number.isSafeInteger(revision))
      return { manifest, revision: revision!, workload };
    throw new BouhekiError('fleet', `${join(this.#directory, HIGHEST)} is broken`, {
      remedy: 'join again, with a new token of the hub',
    });
  }

  /**
   * Stores an offer that was verified, then that it was here. Throws what the system says, such as that the disk is
   * full: then all is as it was.
   */
  store(offer: Offer, { body, highest, manifest, placement }: VerifiedOffer): HeldPolicy {
    const folder = join(this.#directory, FOLDER);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    syncDirectory(this.#directory);
    const { digest, mode, revision } = placement;
    const file = join(folder, `${revision}-${digest.slice(0, 16)}-${mode}.json`);
    writeDurable(file, heldText(offer, body));
    const before = readIfThere(join(this.#directory, HIGHEST));
    const seen = JSON.stringify({ ...highest, workload: manifest.workload } satisfies Seen);
    if (before?.toString('utf8') !== seen) writeDurable(join(this.#directory, HIGHEST), seen);
    return { file, manifest, placement, body };
  }

  /** From now on this one is started from. Others are removed. */
  keep({ file }: HeldPolicy): void {
    const name = basename(file);
    writeDurable(join(this.#directory, LAST_GOOD), `${name}\n`);
    const folder = join(this.#directory, FOLDER);
    for (const other of readdirSync(folder)) if (other !== name) rmSync(join(folder, other), { force: true });
  }
}

/** Whether a path is one of a stored policy of this directory. */
export function isHeld(directory: string, file: string): boolean {
  return join(directory, FOLDER, basename(file)) === file;
}

/** Reads a stored policy. Throws where it is not what was stored, and what the system says. */
export function readHeld(file: string): HeldPolicy {
  const bytes = readIfThere(file);
  if (bytes === undefined) throw new Error(`there is no ${file}`);
  const held = JSON.parse(bytes.toString('utf8')) as HeldText;
  const [manifest, placement] = [readManifest(decode(held.manifest)), readPlacement(decode(held.placement))];
  const body = decode(held.body);
  const digest = createHash('sha256').update(body).digest('hex');
  if (manifest === undefined || placement === undefined || digest !== placement.digest)
    throw new Error(`${file} is broken`);
  return { file, manifest, placement, body };
}

function heldText(offer: Offer, body: Buffer): string {
  const signatures = offer.manifestSignatures.map(({ key, signature }: Signature) => ({
    key,
    signature: signature.toString('base64'),
  }));
  const text: HeldText = {
    format: 1,
    manifest: offer.manifest.toString('base64'),
    manifestSignatures: signatures,
    placement: offer.placement.toString('base64'),
    placementSignature: offer.placementSignature.toString('base64'),
    body: body.toString('base64'),
  };
  return `${JSON.stringify(text)}\n`;
}

function decode(text: string): Buffer {
  return Buffer.from(String(text), 'base64');
}
