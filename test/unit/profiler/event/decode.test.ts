import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ancestor, ProcessFlag } from '../../../../bpf/wire.ts';
import { decodeAddress, decodeCgroup, decodeProcess, textAt } from '../../../../profiler/event/decode.ts';
import { FakeRing } from '../fake-ring.ts';

const PRIMED_NAMES = ProcessFlag.primed | ProcessFlag.pathNames;

/** The bytes of struct ancestor. */
function ancestor(values: {
  pid: number;
  started?: bigint;
  flags?: number;
  comm: string;
  path: string;
}): Buffer {
  const bytes = Buffer.alloc(Ancestor.size);
  bytes.writeBigUInt64LE(values.started ?? 0n, Ancestor.offset.started);
  bytes.writeUInt32LE(values.pid, Ancestor.offset.pid);
  bytes.writeUInt32LE(values.flags ?? 0, Ancestor.offset.flags);
  bytes.write(values.comm, Ancestor.offset.comm);
  bytes.write(values.path, Ancestor.offset.path);
  return bytes;
}

test('a process record keeps every number and every text', () => {
  const ring = new FakeRing();
  const at = ring.process({
    key: 0xffff_ffff_ffff_fff0n,
    flags: ProcessFlag.secureExec | ProcessFlag.script,
    started: 5n,
    cgroup: 6n,
    inode: 0x1_0000_0007n,
    device: 0x0080_0001,
    pid: 8,
    parent_pid: 9,
    mount_namespace: 0xf000_0001,
    pid_namespace: 0xefff_fffc,
    network_namespace: 0xf000_0000,
    comm: 'curl',
    parent_comm: 'sh',
    nodename: 'web1',
    path: '/usr/bin/perl',
    script: '/opt/job.pl',
    arguments: 'curl\0-s\0http://10.0.0.1/\0',
    cgroup_path: 'session-1.scope\0user-0.slice\0user.slice\0\0',
    ancestors: [
      ...ancestor({ pid: 9, started: 4n, comm: 'sh', path: '/usr/bin/dash' }),
      ...ancestor({ pid: 1, comm: 'systemd', path: 'init\0sbin\0', flags: PRIMED_NAMES }),
    ],
  });
  assert.deepEqual(decodeProcess(ring, at), {
    key: 0xffff_ffff_ffff_fff0n,
    flags: ProcessFlag.secureExec | ProcessFlag.script,
    started: 5n,
    cgroup: 6n,
    device: 0x0080_0001,
    inode: 0x1_0000_0007n,
    pid: 8,
    parentPid: 9,
    mountNamespace: 0xf000_0001,
    pidNamespace: 0xefff_fffc,
    networkNamespace: 0xf000_0000,
    command: 'curl',
    parentCommand: 'sh',
    nodename: 'web1',
    path: '/usr/bin/perl',
    script: '/opt/job.pl',
    arguments: 'curl -s http://10.0.0.1/',
    cgroupPath: '/user.slice/user-0.slice/session-1.scope',
    ancestors: [
      { pid: 9, started: 4n, command: 'sh', path: '/usr/bin/dash', primed: false },
      { pid: 1, started: 0n, command: 'systemd', path: '/sbin/init', primed: true },
    ],
  });
});

test('text that fills its field ends there, and what is no UTF-8 is replaced', () => {
  const ring = new FakeRing();
  const full = ring.process({ comm: 'sixteen-letters!', parent_comm: 'sh', path: 'p'.repeat(256) });
  const record = decodeProcess(ring, full);
  assert.equal(record.command, 'sixteen-letters!');
  assert.equal(record.parentCommand, 'sh');
  assert.equal(record.path.length, 256);
  const odd = ring.connection({ comm: '' });
  ring.bytes.set([0xc3, 0x28, 0], odd);
  assert.equal(textAt(ring, odd, 16), '\ufffd(');
});

test('on kernels that give names from the leaf to the root, the path is put together', () => {
  const ring = new FakeRing();
  const at = ring.process({ flags: ProcessFlag.pathNames, path: 'curl\0bin\0usr\0' });
  assert.equal(decodeProcess(ring, at).path, '/usr/bin/curl');
});

test('a cgroup path may be the root, or as long as its field', () => {
  const ring = new FakeRing();
  const root = ring.cgroup({ cgroup: 1n });
  assert.deepEqual(decodeCgroup(ring, root), { id: 1n, path: '/' });
  const slash = ring.cgroup({ cgroup: 1n, cgroup_path: 'a\0/\0' });
  assert.equal(decodeCgroup(ring, slash).path, '/a');
  const long = ring.cgroup({ cgroup: 2n, cgroup_path: `${'n'.repeat(255)}\0${'m'.repeat(256)}` });
  assert.equal(decodeCgroup(ring, long).path, `/${'m'.repeat(256)}/${'n'.repeat(255)}`);
});

test('addresses are in network order', () => {
  const ring = new FakeRing();
  const four = ring.connection({ family: 4, address: [10, 0, 1, 71] });
  assert.deepEqual(decodeAddress(ring, four), { family: 4, value: 0x0a00_0147n });
  const six = ring.connection({ family: 6, address: [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1] });
  assert.deepEqual(decodeAddress(ring, six), { family: 6, value: (0xfdn << 120n) | 1n });
});
