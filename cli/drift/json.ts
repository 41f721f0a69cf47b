import type { Drift } from '../../generator/drift/drift.ts';
import { jsonDocument } from '../terminal/json-document.ts';

/** The drift as one JSON document. */
export function driftJson({ denied, disagreed, new: fresh, shared }: Drift): string {
  return jsonDocument('drift', { new: fresh, denied, disagreed, shared });
}
