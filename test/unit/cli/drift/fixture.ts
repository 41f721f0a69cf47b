import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Event } from '../../profiler/fixture.ts';
import { directoryFor, type Outcome, record, runCommand } from '../fixture.ts';

/** A destination of curl, and one of nobody. */
export const POLICY = `version: 2
network:
  mode: block
  deny:
    - name: no metadata
      to: [{ cidr: [169.254.169.254/32] }]
  allow:
    - name: web
      from: { exe: [/usr/bin/curl] }
      to: [{ cidr: [10.0.0.1/32], port: [443], protocol: [tcp] }]
`;

/** Names that would end an attribute, a command or a line. */
const HOSTILE = ['a"<b>&\'::error file=x::%0Aboo,title=y.example'];

/** Two new connections of curl, one of them to a hostile name, and a denied one. */
export const EVENTS: readonly Event[] = [
  { port: 8443 },
  { port: 8444, names: HOSTILE, known: 1 },
  { low: 0xa9fea9fen, port: 80, verdict: 1 },
];

/** A record of curl and the policy file `text`: gives `drift` on both. */
export async function driftOn(
  t: TestContext,
  events: readonly Event[],
  text = POLICY,
): Promise<(...args: string[]) => Outcome> {
  const directory = directoryFor(t);
  const policy = join(directory, 'policy.yaml');
  writeFileSync(policy, text, { mode: 0o600 });
  const db = await record(directory, events, { command: 'enforce', mode: 'block' });
  return (...args) => runCommand('drift', policy, '--db', db, ...args);
}
