import { createHash, type KeyObject } from 'node:crypto';
import { visible } from '../../../../error/visible.ts';
import { BouhekiError } from '../../../../error/error.ts';
import { readPlan } from '../../../../fleet/release/plan.ts';
import { type Held, provenPolicy } from '../../../../fleet/release/wanted.ts';
import { readManifest } from '../../../../fleet/wire/manifest.ts';
import type { PolicyText, ReleaseMessage } from '../../../../fleet/wire/message.ts';
import { countAuthors, publicKeyBytes } from '../../../../fleet/wire/signature.ts';

/** Whom an author believes: the hub is not one of them. */
export interface Known {
  authors: readonly KeyObject[];
  /** How many of them must have signed; at least 1. */
  least: number;
}

/** What the next release builds on. */
export interface Newest {
  revision: number;
  /** What the next release goes back to. */
  held: Held | undefined;
}

const ELSEWHERE = 'name the directory of a hub that you trust with --operator';

/**
 * The newest release that a hub shows, by what its authors have signed alone. The next manifest names a policy that it
 * shows as the one to go back to, so a hub that made one up would have its own text signed. What stays the hub's word is
 * which signed release is the newest, and whether it is done. Throws BouhekiError `fleet` for what is not proved.
 */
export function proveNewest(
  { manifest: bytes, signatures, state }: ReleaseMessage,
  workload: string,
  { authors, least }: Known,
): Newest {
  const signers = countAuthors(bytes, signatures, authors.map(publicKeyBytes));
  if (signers < least) {
    throw new BouhekiError(
      'fleet',
      `${signers} of the authors known here have signed the newest release of ${workload}, and ${least} must have`,
      {
        remedy:
          'name the public keys of those who have with --author, and how many they are with --signed-by; ' +
          'where they are named, the hub shows a release that none of them made',
      },
    );
  }
  const manifest = readManifest(bytes);
  // By the plan that was signed, not by what the hub says of it.
  const { faults, plan } = readPlan(manifest?.plan, manifest?.mode ?? 'monitor');
  if (manifest === undefined || faults.length > 0) {
    throw new BouhekiError('fleet', 'the newest release has a form that this version does not know', {
      remedy: 'install the version of bouheki that the hub has',
    });
  }
  if (manifest.workload !== workload) {
    throw new BouhekiError(
      'fleet',
      `the hub shows a release of ${visible(manifest.workload)} as one of ${workload}`,
      { remedy: ELSEWHERE },
    );
  }
  return { revision: manifest.revision, held: provenPolicy({ manifest, state }, plan) };
}

/** The text of a policy that a hub sends. Throws BouhekiError `fleet` where it has another digest. */
export function proveText({ body }: Pick<PolicyText, 'body'>, { digest }: Held): string {
  if (createHash('sha256').update(body).digest('hex') === digest) return body.toString();
  throw new BouhekiError(
    'fleet',
    `the hub shows another text than that of the policy ${digest.slice(0, 12)}`,
    {
      remedy: `ask again, in case the roll-out has just ended; otherwise ${ELSEWHERE}`,
    },
  );
}
