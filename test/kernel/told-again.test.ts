/** A process is reported once in each ring, and again when the recorder asks for it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { Egress } from '../../bpf/egress.ts';
import type { Ring } from '../../bpf/ring.ts';
import { RecordKind, SideFlag } from '../../bpf/wire.ts';
import { AccountNames } from '../../profiler/identity/account.ts';
import { ContainerNames } from '../../profiler/identity/container.ts';
import { CredentialTable } from '../../profiler/identity/credential-table.ts';
import { ProcessTable } from '../../profiler/identity/process-table.ts';
import { Recorder } from '../../profiler/record/recorder.ts';
import { Written } from '../unit/profiler/recorder-fixture.ts';
import { block, compileRules } from './client/policy.ts';

const ALLOWED = '203.0.113.9';
const DENIED = '2001:db8::9';

/** Connects by itself each time that it is given an address, to another port, since equal ones would be counted. */
const client = startClient();
let egress: Egress;

function startClient() {
  const loop = 'while read -r address; do : >/dev/udp/$address/$((port += 1)); echo done; done';
  return spawn('bash', ['-c', loop], { stdio: ['pipe', 'pipe', 'ignore'] });
}

before(() => {
  egress = Egress.load();
  egress.flip(SideFlag.record);
});
after(() => {
  client.kill();
  egress[Symbol.dispose]();
});

async function connect(to = ALLOWED, by = client): Promise<void> {
  by.stdin.write(`${to}\n`);
  await once(by.stdout, 'data');
}

/** How many records of a process and how many of a connection wait in a ring. Takes them out. */
function takeKinds(ring: Ring): number[] {
  const kinds: number[] = [];
  ring.drain((at) => kinds.push(ring.bytes[at]!));
  return [RecordKind.process, RecordKind.connection].map(
    (kind) => kinds.filter((each) => each === kind).length,
  );
}

/** The same of both rings, that of denials first. */
function takeBoth(): number[][] {
  return [takeKinds(egress.denials), takeKinds(egress.connections)];
}

test('a process is reported before its first connection, and once more when it is asked for', async () => {
  const told = async (): Promise<number[]> => {
    await connect();
    return takeKinds(egress.connections);
  };
  assert.deepEqual(await told(), [1, 1]);
  assert.deepEqual(await told(), [0, 1]);
  egress.tellAgain();
  assert.deepEqual(await told(), [1, 1]);
  assert.deepEqual(await told(), [0, 1]);
});

function denySome(): void {
  const policy = compileRules(`
  deny: [{ to: [{ cidr: ["${DENIED}"] }] }]
  allow: [{ name: everything }]
`);
  block(egress, policy, true);
}

test('a process is reported in both rings, once in each', async () => {
  denySome();
  takeBoth();
  const other = startClient();
  await connect(DENIED, other);
  await connect(ALLOWED, other);
  assert.deepEqual(takeBoth(), [
    [1, 1],
    [1, 1],
  ]);
  await connect(DENIED, other);
  await connect(ALLOWED, other);
  assert.deepEqual(takeBoth(), [
    [0, 1],
    [0, 1],
  ]);
  other.kill();
});

test('an allowed connection right after a denied one has its process, whichever ring is read first', async () => {
  denySome();
  const written = new Written();
  const processes = new ProcessTable(written, new ContainerNames([]));
  const recorder = new Recorder(egress, written, processes, new CredentialTable(written, new AccountNames()));
  recorder.drain();
  recorder.flush();
  const known = written.events.length;
  const other = startClient();
  await connect(DENIED, other);
  await connect(ALLOWED, other);
  recorder.drain();
  recorder.flush();
  const seen = written.events.slice(known).map(({ process, verdict }) => ({ process, verdict }));
  const process = written.processes.length;
  assert.match(written.processes.at(-1)!.exe, /bash$/);
  assert.deepEqual(seen, [
    { process, verdict: 0 },
    { process, verdict: 1 },
  ]);
  assert.deepEqual(written.losses, []);
  other.kill();
});
