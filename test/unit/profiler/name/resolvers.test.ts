import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { parseAddress } from '../../../../policy/value/address.ts';
import { Resolvers } from '../../../../profiler/name/resolvers.ts';

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'bouheki-test-'));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

const believes = (resolvers: Resolvers, text: string, near: boolean): boolean =>
  resolvers.believes(parseAddress(text)!, near);

test('a resolver counts from the side where it is', (t) => {
  const file = join(folder(t), 'resolv.conf');
  writeFileSync(
    file,
    '# one\n nameserver 127.0.0.53\nnameserver 203.0.113.53\nnameserver fe80::1%eth0\noptions edns0\n',
  );
  const resolvers = new Resolvers([file, `${file}.none`]);
  assert.ok(believes(resolvers, '127.0.0.53', true));
  assert.ok(!believes(resolvers, '127.0.0.53', false));
  assert.ok(believes(resolvers, '203.0.113.53', false));
  assert.ok(!believes(resolvers, '203.0.113.53', true));
  assert.ok(believes(resolvers, 'fe80::1', false));
  assert.ok(!believes(resolvers, '198.51.100.1', false));
  assert.ok(!believes(resolvers, '127.0.0.1', true));
});

test('without a file, and with an empty one, the resolver is on this host', (t) => {
  const file = join(folder(t), 'resolv.conf');
  for (const make of [() => {}, () => writeFileSync(file, 'search example.com\n')]) {
    make();
    const resolvers = new Resolvers([file]);
    assert.ok(believes(resolvers, '127.0.0.1', true));
    assert.ok(believes(resolvers, '::1', true));
  }
});

test('a file that another one takes the place of is read anew', (t) => {
  const file = join(folder(t), 'resolv.conf');
  writeFileSync(file, 'nameserver 203.0.113.1\n');
  const resolvers = new Resolvers([file]);
  writeFileSync(`${file}.new`, 'nameserver 203.0.113.2\n');
  renameSync(`${file}.new`, file);
  resolvers.refresh();
  assert.ok(!believes(resolvers, '203.0.113.1', false));
  assert.ok(believes(resolvers, '203.0.113.2', false));
  rmSync(file);
  resolvers.refresh();
  assert.ok(!believes(resolvers, '203.0.113.2', false));
});

test('a resolver at an address that this host gets or loses later counts from the other side then', (t) => {
  const file = join(folder(t), 'resolv.conf');
  writeFileSync(file, 'nameserver 203.0.113.53\n');
  let own = ['127.0.0.1'];
  const resolvers = new Resolvers([file], () => own);
  assert.ok(believes(resolvers, '203.0.113.53', false));
  own = ['127.0.0.1', '203.0.113.53'];
  resolvers.refresh();
  assert.ok(believes(resolvers, '203.0.113.53', true));
  own = ['127.0.0.1'];
  resolvers.refresh();
  assert.ok(believes(resolvers, '203.0.113.53', false));
});
