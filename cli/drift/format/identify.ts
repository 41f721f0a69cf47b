import { createHash } from 'node:crypto';
import type { Finding } from '../../../generator/drift/finding/finding.ts';

/** A finding as it is reported: by its id it can be acknowledged, and found again in the next report. */
export interface Reported extends Finding {
  id: string;
}

/** Bits of an id: nobody can make up a path or a name whose finding has the id of one that is acknowledged. */
const HEX_DIGITS = 15;

/** Gives findings their ids, which are made of what they are about alone: 12 digits and letters. */
export function identify(findings: readonly Finding[]): Reported[] {
  return findings.map((finding) => ({ id: idOf(finding.key), ...finding }));
}

function idOf(key: string): string {
  const hash = createHash('sha256').update(key).digest('hex');
  return BigInt(`0x${hash.slice(0, HEX_DIGITS)}`)
    .toString(32)
    .padStart(12, '0');
}
