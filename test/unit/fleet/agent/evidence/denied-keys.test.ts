import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DeniedKeys } from '../../../../../fleet/agent/evidence/denied-keys.ts';
import type { EvidenceRow } from '../../../../../fleet/agent/evidence/evidence-table.ts';

/** A subject with a path as long as a user of the host can make one. */
const SUBJECT = Buffer.from(JSON.stringify({ command: 'x', exe: `/tmp/${'x'.repeat(4000)}` }));

const denied = (from: number, count: number, change: Partial<EvidenceRow> = {}): EvidenceRow[] =>
  Array.from({ length: count }, (_, at) => ({
    subject: SUBJECT,
    address: Buffer.from([10, (from + at) >> 16, ((from + at) >> 8) & 255, (from + at) & 255]),
    port: 443,
    protocol: 6,
    socket: '',
    verdict: 'DENY',
    revision: 1,
    rule: '',
    count: 1,
    first: 0,
    last: 0,
    hours: Buffer.alloc(21),
    week: 0,
    names: [],
    name: '',
    knownBy: 'NO_NAME',
    age: 0,
    ...change,
  }));

test('what was denied before, and what is allowed, is not new', () => {
  const keys = new DeniedKeys(100);
  keys.recorded(denied(0, 3));
  keys.happened(denied(0, 5));
  keys.happened(denied(0, 5));
  keys.happened(denied(50, 5, { verdict: 'ALLOW' }));
  assert.equal(keys.fresh, 2);
  keys.happened(denied(0, 1, { verdict: 'WOULD_DENY', port: 80 }));
  assert.equal(keys.fresh, 3);
});

test('a user who tries ever new destinations fills no memory', () => {
  const keys = new DeniedKeys(5000);
  global.gc?.();
  const before = process.memoryUsage().heapUsed;
  for (let part = 0; part < 20; part += 1) {
    keys.happened(denied(part * 1000, 1000));
    keys.recorded(denied(1_000_000 + part * 1000, 1000));
  }
  assert.equal(keys.fresh, 5000);
  // 10,000 keys; with their subjects they would be 40 MB, and without an end 160.
  assert.ok(process.memoryUsage().heapUsed - before < 35_000_000);
});
