import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY } from '../../../../fleet/identity/authority.ts';
import { newKey, publicKeyOf } from '../../../../fleet/identity/key.ts';
import {
  checkRenewal,
  makeRequest,
  proveRenewal,
  readRequest,
  RENEWABLE,
  renewAt,
} from '../../../../fleet/identity/request.ts';

const NOW = Date.UTC(2026, 10, 30, 12);
const key = newKey();
const csr = await makeRequest(key);

test('a request is read when its own key has signed it', async () => {
  assert.deepEqual(await readRequest(csr), publicKeyOf(key));
});

test('what is changed, cut, random or too long is no request', async () => {
  const changed = Buffer.from(csr);
  changed[changed.length - 3]! ^= 1;
  for (const bytes of [
    changed,
    csr.subarray(0, 100),
    Buffer.alloc(0),
    Buffer.alloc(64, 7),
    Buffer.alloc(9000),
  ]) {
    assert.equal(await readRequest(bytes), undefined);
  }
});

test('the pinned key renews, also after the end of its certificate', () => {
  const signature = proveRenewal(key, 'h', NOW, csr);
  const pinned = { publicKey: publicKeyOf(key), certificateEnds: NOW - RENEWABLE };
  assert.equal(checkRenewal({ hostId: 'h', csr, time: NOW, signature }, pinned, NOW), undefined);
  const late = { ...pinned, certificateEnds: NOW - RENEWABLE - 1 };
  assert.equal(checkRenewal({ hostId: 'h', csr, time: NOW, signature }, late, NOW), 'late');
});

test('another key, host, request or time renews nothing', () => {
  const pinned = { publicKey: publicKeyOf(key), certificateEnds: NOW };
  const signature = proveRenewal(key, 'h', NOW, csr);
  const proof = { hostId: 'h', csr, time: NOW, signature };
  assert.equal(checkRenewal({ ...proof, hostId: 'i' }, pinned, NOW), 'signature');
  assert.equal(checkRenewal({ ...proof, csr: Buffer.from('x') }, pinned, NOW), 'signature');
  assert.equal(checkRenewal({ ...proof, time: NOW + 1 }, pinned, NOW), 'signature');
  assert.equal(checkRenewal({ ...proof, signature: Buffer.alloc(3) }, pinned, NOW), 'signature');
  const others = { ...pinned, publicKey: publicKeyOf(newKey()) };
  assert.equal(checkRenewal(proof, others, NOW), 'signature');
  assert.equal(checkRenewal(proof, pinned, NOW + 2 * 3_600_000), 'time');
});

test('a certificate is renewed at half of its life, a tenth of it more or less', () => {
  const life = { begins: NOW, ends: NOW + 30 * DAY };
  assert.equal(renewAt(life, 0), NOW + 12 * DAY);
  assert.equal(renewAt(life, 0.5), NOW + 15 * DAY);
  assert.equal(renewAt(life, 1), NOW + 18 * DAY);
});
