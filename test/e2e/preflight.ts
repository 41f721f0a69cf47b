import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { curl, pythonTo } from './attempt.ts';
import { Running } from './bouheki.ts';
import { type Ended, folder, run, startNetwork, succeeded } from './guest.ts';

/** What tests of the pre-flight have in common. */

const place = folder();
export const db = join(place, 'record.duckdb');

export const CURL = '{ name: curl, from: { exe: [/usr/bin/curl] }, to: [{ cidr: [10.0.1.1/32] }] }';
export const PYTHON = '{ name: python, to: [{ cidr: [10.0.3.10/32] }] }';
const LOOPBACK = '{ name: own host, to: [{ cidr: [loopback] }] }';

/** A policy that blocks all but what these rules allow. */
export function policyOf(name: string, ...rules: string[]): string {
  const file = join(place, name);
  const lines = rules.map((rule) => `    - ${rule}\n`).join('');
  writeFileSync(file, `version: 2\nnetwork:\n  mode: block\n  allow:\n${lines}`, { mode: 0o600 });
  return file;
}

/** One that denies a part of what was recorded, and one that allows all of it. */
export const part = policyOf('part.yaml', CURL, LOOPBACK);
export const all = policyOf('all.yaml', CURL, PYTHON, LOOPBACK);

/** The line about what the first of them denies. */
export const LOST = /^ +\/usr\/bin\/python3\S* uid 0 .* tcp 10\.0\.3\.10:8080 +3 .*-$/m;

export interface Finding {
  check: string;
  state: 'ok' | 'warn' | 'stop';
  what: string;
  entries?: Record<string, unknown>[];
}

/** The findings of a dry run, by what was looked at. */
export function findings({ stdout, stderr }: Ended): Record<string, Finding> {
  assert.match(stdout, /^\{/, stderr);
  const document = JSON.parse(stdout) as { schema: string; findings: Finding[] };
  assert.equal(document.schema, 'bouheki.preflight/v1');
  return Object.fromEntries(document.findings.map((finding) => [finding.check, finding]));
}

/** Starts the network, and records two programs. */
export async function learnTwo(): Promise<void> {
  startNetwork();
  const learn = await Running.start('learn', '--db', db);
  assert.equal(succeeded(run(...curl('http://10.0.1.1/'))).stdout, 'hello from 10.0.1.1 port 80\n');
  for (let count = 0; count < 3; count += 1) assert.equal(pythonTo('tcp', '10.0.3.10', 8080), 'reached');
  succeeded(await learn.end('SIGINT'));
}
