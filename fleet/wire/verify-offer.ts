import { createHash } from 'node:crypto';
import { type Manifest, type Mode, type Placement, readManifest, readPlacement } from './manifest.ts';
import type { Offer, RefusalCode } from './message.ts';
import { countAuthors, isSignedBy } from './signature.ts';

const MOST_MANIFEST_BYTES = 64 * 1024;
const MOST_PLACEMENT_BYTES = 4 * 1024;

/** The highest revision that a host has ever taken: kept apart from the policy, so that no older one comes back. */
export interface Highest {
  revision: number;
  /** SHA-256 of the manifest's bytes, hexadecimal. */
  manifest: string;
}

/** What an agent knows before it looks at an offer. */
export interface OfferContext {
  /** SPKI DER, told when the host joined. */
  authorKeys: readonly Buffer[];
  authorThreshold: number;
  /** SPKI DER of the key that signs placements. */
  hubKey: Buffer;
  /** Id of this host. */
  host: string;
  /**
   * The workload of the first policy that this host took: a hub can't move it to the policy of another one, which authors
   * have signed for others. Undefined before the first.
   */
  workload: string | undefined;
  highest: Highest | undefined;
  /** Those that this agent knows. */
  features: readonly string[];
  policyBytes: number;
  /** Milliseconds since the epoch. */
  now: number;
  /** The body with this digest (hexadecimal SHA-256), where it is stored here. */
  stored(digest: string): Buffer | undefined;
}

export interface VerifiedOffer {
  manifest: Manifest;
  placement: Placement;
  body: Buffer;
  /** To store once the offer is stored. */
  highest: Highest;
}

export interface OfferRefusal {
  code: RefusalCode;
  message: string;
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

const refuse = (code: RefusalCode, message: string): OfferRefusal => ({ code, message });

/**
 * All that can be known of an offer before anything of it is stored: who signed it, that it is for this host, that it is
 * not older than what was here, and that the text is the one that was signed. What the text means is not looked at. Pure;
 * hostile bytes never make it throw.
 */
export function verifyOffer(offer: Offer, context: OfferContext): VerifiedOffer | { refused: OfferRefusal } {
  const manifest = manifestOf(offer, context);
  if ('code' in manifest) return { refused: manifest };
  const placement = placementOf(offer, context);
  if ('code' in placement) return { refused: placement };
  const highest = { revision: manifest.revision, manifest: sha256(offer.manifest) };
  const refused =
    misplaced(manifest, placement, context) ??
    tooOld(manifest, highest, context) ??
    tooMuch(manifest, placement, context);
  if (refused) return { refused };
  const body = bodyOf(offer, placement, context);
  if ('code' in body) return { refused: body };
  return { manifest, placement, body: body.bytes, highest };
}

function manifestOf(offer: Offer, context: OfferContext): Manifest | OfferRefusal {
  if (offer.manifest.length > MOST_MANIFEST_BYTES) return refuse('limits', 'the manifest is too large');
  const authors = countAuthors(offer.manifest, offer.manifestSignatures, context.authorKeys);
  // A threshold that is no number, or below one, must not let an unsigned manifest pass.
  const needed = context.authorThreshold >= 1 ? context.authorThreshold : 1;
  if (authors < needed) {
    return refuse('signature', `${authors} of the ${needed} authors needed have signed the manifest`);
  }
  return (
    readManifest(offer.manifest) ??
    refuse('feature', 'the manifest has a form that this version does not know')
  );
}

function placementOf(offer: Offer, context: OfferContext): Placement | OfferRefusal {
  if (offer.placement.length > MOST_PLACEMENT_BYTES) return refuse('limits', 'the placement is too large');
  if (!isSignedBy('placement', offer.placement, offer.placementSignature, context.hubKey)) {
    return refuse('signature', 'no hub that this host knows has signed the placement');
  }
  return (
    readPlacement(offer.placement) ??
    refuse('feature', 'the placement has a form that this version does not know')
  );
}

/** For another host or workload, or of another release than the manifest. */
function misplaced(
  manifest: Manifest,
  placement: Placement,
  { host, workload }: OfferContext,
): OfferRefusal | undefined {
  if (placement.host !== host) return refuse('host', 'the placement is for another host');
  if (placement.workload !== manifest.workload) {
    return refuse('workload', 'placement and manifest are of different workloads');
  }
  if (workload !== undefined && manifest.workload !== workload) {
    return refuse('workload', `the policy is for ${manifest.workload}, and this host is of ${workload}`);
  }
  if (placement.revision !== manifest.revision) {
    return refuse('revision', 'placement and manifest are of different revisions');
  }
  return undefined;
}

function tooOld(manifest: Manifest, offered: Highest, context: OfferContext): OfferRefusal | undefined {
  const { highest, now } = context;
  const isKnown = highest?.manifest === offered.manifest;
  if (highest && manifest.revision < highest.revision) {
    return refuse('revision', `revision ${manifest.revision} is below ${highest.revision}, which was here`);
  }
  if (highest && manifest.revision === highest.revision && !isKnown) {
    return refuse('revision', `another manifest of revision ${manifest.revision} was here`);
  }
  // What is here already is stale then, and can still go back to the policy before.
  if (!isKnown && now > Date.parse(manifest.notAfter)) {
    return refuse('expired', `the manifest was valid until ${manifest.notAfter}`);
  }
  return undefined;
}

/** More than the authors have granted, or than this agent can hold. */
function tooMuch(
  manifest: Manifest,
  placement: Placement,
  { features }: OfferContext,
): OfferRefusal | undefined {
  const limit = highestMode(manifest, placement.digest);
  if (!limit) return refuse('signature', 'the placement names a policy that the manifest does not');
  if (placement.mode === 'block' && limit === 'monitor') {
    return refuse('signature', 'the placement blocks, and the manifest allows only to monitor');
  }
  const unknown = manifest.features.filter((feature) => !features.includes(feature));
  if (unknown.length > 0) return refuse('feature', `this version does not know ${unknown.join(', ')}`);
  return undefined;
}

function highestMode(manifest: Manifest, digest: string): Mode | undefined {
  if (digest === manifest.digest) return manifest.mode;
  return digest === manifest.previous ? (manifest.previousMode ?? undefined) : undefined;
}

function bodyOf(
  { body }: Offer,
  { digest }: Placement,
  { policyBytes, stored }: OfferContext,
): { bytes: Buffer } | OfferRefusal {
  if (body.length > policyBytes) return refuse('limits', `the policy is larger than ${policyBytes} bytes`);
  const bytes = body.length > 0 ? body : stored(digest);
  if (!bytes) return refuse('storage', 'the policy is not stored on this host');
  if (sha256(bytes) !== digest) return refuse('signature', 'the policy is not the text that was signed');
  return { bytes };
}
