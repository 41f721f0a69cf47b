/** A process is told once, and again when the recorder asks for it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { Egress } from '../../bpf/egress.ts';
import { RecordKind, SideFlag } from '../../bpf/wire.ts';

/** Connects by itself each time that it is told to. */
const client = spawn('bash', ['-c', 'while read -r go; do : >/dev/udp/203.0.113.9/9; echo done; done'], {
  stdio: ['pipe', 'pipe', 'ignore'],
});
let egress: Egress;

before(() => {
  egress = Egress.load();
  egress.flip(SideFlag.record);
});
after(() => {
  client.kill();
  egress[Symbol.dispose]();
});

/** Connects once. Returns how many records of a process and how many of a connection that made. */
async function connect(): Promise<number[]> {
  client.stdin.write('go\n');
  await once(client.stdout, 'data');
  const kinds: number[] = [];
  egress.connections.drain((at) => kinds.push(egress.connections.bytes[at]!));
  return [RecordKind.process, RecordKind.connection].map(
    (kind) => kinds.filter((each) => each === kind).length,
  );
}

test('a process is told before its first connection, and once more when it is asked for', async () => {
  assert.deepEqual(await connect(), [1, 1]);
  assert.deepEqual(await connect(), [0, 1]);
  egress.tellAgain();
  assert.deepEqual(await connect(), [1, 1]);
  assert.deepEqual(await connect(), [0, 1]);
});
