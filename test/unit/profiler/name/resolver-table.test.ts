import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { BpfMap } from '../../../../bpf/map.ts';
import { ResolverKey, ResolverValue } from '../../../../bpf/wire.ts';
import { parseAddress } from '../../../../policy/value/address.ts';
import { holdersOfSockets, socketsAt } from '../../../../profiler/name/port-holder.ts';
import { Resolvers } from '../../../../profiler/name/resolvers.ts';
import { ResolverTable } from '../../../../profiler/name/resolver-table.ts';

test('a socket at a port is found with who opened it, and the cgroup of who has it open', async (t) => {
  const socket = createSocket('udp4');
  t.after(() => socket.close());
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.9', resolve));
  const [found, ...more] = socketsAt(socket.address().port);
  assert.deepEqual(more, []);
  assert.equal(found!.address, '0900007F');
  assert.equal(found!.uid, process.getuid!());
  const [holder] = holdersOfSockets(new Set([found!.inode])).values();
  assert(holder!.cgroup > 0n);
  assert.equal(holder!.processUid, process.getuid!());
  assert.deepEqual(holdersOfSockets(new Set(['0'])), new Map());
});

test('the kernel side has the resolvers of the files, and of a policy instead', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'bouheki-test-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'resolv.conf');
  writeFileSync(file, 'nameserver 192.0.2.53\nnameserver 127.0.0.253\n');
  const entries = new Map<string, Buffer>();
  const map = {
    set: (key: Buffer, value: Buffer) => void entries.set(key.toString('hex'), Buffer.from(value)),
    delete: (key: Buffer) => entries.delete(key.toString('hex')),
  };
  const resolvers = new Resolvers([file]);
  const table = new ResolverTable(map as unknown as BpfMap, resolvers);
  const near = () => [...entries.values()].map((value) => value.readUInt32LE(ResolverValue.offset.near));
  assert.deepEqual(near(), [0, 1]);
  const [far] = entries.keys();
  assert.equal(far!.slice(0, 8), 'c0000235');
  assert.equal(Buffer.from(far!, 'hex').readUInt32LE(ResolverKey.offset.family), 4);
  // Nobody is there.
  assert.deepEqual(
    table.unheld.map(({ address }) => address),
    [parseAddress('127.0.0.253')],
  );
  resolvers.wanted = [parseAddress('2001:db8::53')!, 'auto'];
  table.look();
  assert.equal(entries.size, 3);
  resolvers.wanted = [parseAddress('2001:db8::53')!];
  table.look();
  assert.equal(entries.size, 1);
  assert.deepEqual(resolvers.believes(parseAddress('192.0.2.53')!, false), false);
});
