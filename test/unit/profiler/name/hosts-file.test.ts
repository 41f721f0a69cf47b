import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { formatAddress } from '../../../../policy/value/address.ts';
import { HostsFile } from '../../../../profiler/name/hosts-file.ts';

test('the hosts file names addresses, and is followed as it changes', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'bouheki-test-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'hosts');
  const file = new HostsFile(path);
  const read = () => file.read().map(({ address, name }) => `${name} ${formatAddress(address)}`);
  assert.deepEqual(read(), [], 'there is none');
  writeFileSync(
    path,
    '# 192.0.2.1 old.example\n\n192.0.2.7\tdb.example DB. # new\nfe80::1%eth0 link\nnot an address\n192.0.2.8\n192.0.2.9 b*d\n',
  );
  assert.deepEqual(read(), ['db.example 192.0.2.7', 'db 192.0.2.7', 'link fe80::1']);
  writeFileSync(path, '192.0.2.8 db.example\n');
  assert.deepEqual(read(), ['db.example 192.0.2.8']);
  writeFileSync(path, Array.from({ length: 5000 }, (_, at) => `192.0.2.8 n${at}.example\n`).join(''));
  assert.equal(file.read().length, 4096, 'names beyond that are left out');
  rmSync(path);
  assert.deepEqual(read(), []);
});
