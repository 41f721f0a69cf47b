import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { kernelDevice, mountsAbove } from '../../../../bpf/guard/guard.ts';
import { GuardKey } from '../../../../bpf/guard/key.ts';

const place = mkdtempSync(join(tmpdir(), 'bouheki-test-'));
after(() => rmSync(place, { recursive: true }));

function fileOf(text: string, mode = 0o600): string {
  const path = join(place, String(Math.random()).slice(2));
  writeFileSync(path, text, { mode });
  return path;
}

test('a key is 64 hexadecimal digits in a private file', () => {
  const key = GuardKey.read(fileOf(`${'0aF9'.repeat(16)}\n`));
  assert.equal(key.text, '0af9'.repeat(16));
  assert.equal(key.equals(GuardKey.parse('0AF9'.repeat(16))!), true);
  assert.equal(key.equals(GuardKey.parse('0af8'.repeat(16))!), false);
});

test('any other file is refused, with how to make one', () => {
  for (const text of ['', 'a'.repeat(63), 'a'.repeat(65), 'g'.repeat(64), '\0'.repeat(64)])
    assert.throws(() => GuardKey.read(fileOf(text)), { code: 'usage', remedy: /openssl rand -hex 32/ });
  assert.throws(() => GuardKey.read(fileOf('a'.repeat(64), 0o640)), /others than its owner can read it/);
  assert.throws(() => GuardKey.read(join(place, 'missing')), /no such file/);
  assert.throws(() => GuardKey.read(place), { code: 'usage' });
  assert.throws(() => GuardKey.read(fileOf('a'.repeat(5000))), { code: 'usage' });
});

test('a device number of stat() becomes the one that the kernel keeps', () => {
  // makedev(0, 27), makedev(8, 1), and makedev(259, 300): minors above 255 are in the upper bits.
  assert.equal(kernelDevice(27), 27);
  assert.equal(kernelDevice(0x801), 0x80_0001);
  assert.equal(kernelDevice((259 << 8) | (300 & 0xff) | ((300 & ~0xff) << 12)), (259 << 20) | 300);
  assert.equal(kernelDevice(statSync('/proc').dev), statSync('/proc').dev, 'a file system without a device');
});

test('a path goes with the mounts at it and above it, and with no other', () => {
  const table = [
    '21 1 254:1 / / rw - ext4 /dev/vda rw',
    '24 21 0:23 / /sys rw - sysfs sysfs rw',
    '25 24 0:7 / /sys/kernel/security rw - securityfs securityfs rw',
    '30 24 0:27 / /sys/fs/bpf rw shared:9 - bpf bpf rw',
    '31 24 0:28 / /sys/fs/bpf-other rw - bpf bpf rw',
    '32 30 0:29 / /sys/fs/bpf/below rw - tmpfs tmpfs rw',
    '33 21 0:30 / /sy rw - tmpfs tmpfs rw',
    '',
  ].join('\n');
  assert.deepEqual(mountsAbove('/sys/fs/bpf', table), [21, 24, 30]);
  assert.deepEqual(mountsAbove('/sys/fs/bpf', ''), []);
});
