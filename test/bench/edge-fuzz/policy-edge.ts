import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { mutatedText } from '../policy-mutation.ts';
import { below, bytes, type Edge, type Ground } from './edge.ts';
import { ALLOWED, DENIED, keepsVerdicts } from './oracle.ts';

/** A log file that may be moved away while it is written. */
export const LOG = '/tmp/edge-fuzz.log';

/** Both addresses are decided in many ways, so that most changes leave the verdicts as they are. */
export const POLICY = `version: 2
network:
  mode: block
  target: host
  deny:
    - name: the one that is denied
      to: [{ cidr: [${DENIED}/32, 10.0.1.64/29, metadata] }]
    - from: { command: [nc, "apt*"], gid: [31], exe: [/usr/bin/nc] }
      to: [{ cidr: [198.51.100.0/24], port: [1, 443, "8000-8010"], protocol: [tcp] }]
  allow:
    - name: for everybody
      to:
        - { cidr: [${ALLOWED}/32, 10.0.1.0/29] }
        - { cidr: [127.0.0.0/8, "::1/128"], protocol: [tcp, udp] }
    - from: { uid: [0], container: ["web-*"], unit: [cron.service] }
      to: [{ cidr: [192.0.2.0/24], except: [192.0.2.9], port: [80] }]
      sockets: [raw]
log: { format: json, level: info, labels: { team: "a b" }, output: ${LOG} }
`;

/** How long the daemon may take to say what it thinks of a file, milliseconds. */
const PATIENCE = 60_000;

/** The policy file, read anew on SIGHUP, and the log that is begun anew then. */
export const policyEdge: Edge = {
  name: 'policy',
  async attempt(ground) {
    place(ground);
    if (ground.random() < 0.2) rotate();
    await reload(ground);
  },
};

/** Puts something in the place of the policy that is either refused or leaves both verdicts as they are. */
function place({ policy, random }: Ground): void {
  const kind = below(random, 20);
  rmSync(policy, { recursive: true, force: true });
  if (kind === 0) return;
  if (kind === 1) mkdirSync(policy);
  else if (kind === 2) symlinkSync('/dev/zero', policy);
  else if (kind === 3) writeFileSync(policy, bytes(random, 5000), { mode: 0o600 });
  else if (kind === 4) writeFileSync(policy, ' '.repeat(below(random, 2_000_000)), { mode: 0o600 });
  else if (kind < 8) writeFileSync(policy, POLICY, { mode: 0o600 });
  else writeFileSync(policy, harmless(random), { mode: 0o600 });
}

function harmless(random: () => number): string {
  for (;;) {
    const text = mutatedText(random, [POLICY]);
    if (keepsVerdicts(text)) return text;
  }
}

function rotate(): void {
  try {
    renameSync(LOG, `${LOG}.1`);
  } catch {
    // It has been moved away already, and nothing was denied since.
  }
}

async function reload({ daemon, said }: Ground): Promise<void> {
  const before = said().length;
  process.kill(daemon, 'SIGHUP');
  const deadline = performance.now() + PATIENCE;
  while (!/^(Blocking by |The policy that was in force stays)/m.test(said().slice(before))) {
    if (performance.now() > deadline) throw new Error('the daemon does not answer SIGHUP');
    await wait(20);
  }
  if (/bug in bouheki/.test(said().slice(before))) throw new Error(said().slice(before));
}
