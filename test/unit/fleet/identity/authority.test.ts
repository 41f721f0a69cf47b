import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import {
  checkAuthority,
  DAY,
  HOST_LIFE,
  issueClient,
  issueHub,
  makeAuthority,
} from '../../../../fleet/identity/authority.ts';
import { certificatesIn, identityOf, pemOf, uriOf } from '../../../../fleet/identity/identity.ts';
import { digestOf, newKey, newSigningKey, publicKeyOf } from '../../../../fleet/identity/key.ts';

const NOW = Date.UTC(2026, 10, 30, 12);
const authority = await makeAuthority('fleet of a test', NOW);

test('an authority signs leaves only, for ten years, from five minutes before it was made', () => {
  const certificate = new X509Certificate(authority.certificate);
  assert.equal(certificate.ca, true);
  assert.equal(certificate.subject, 'CN=fleet of a test');
  assert.ok(certificate.verify(certificate.publicKey));
  assert.equal(Date.parse(certificate.validFrom), NOW - 300_000);
  assert.equal(Date.parse(certificate.validTo), NOW + 3650 * DAY);
  checkAuthority(authority, NOW);
});

test('a certificate of a hub has its names and addresses, and is of no host', async () => {
  const key = newKey();
  const names = ['hub.example', '192.0.2.7', '2001:db8::1'];
  const { certificate } = await issueHub(authority, names, publicKeyOf(key), NOW);
  const read = new X509Certificate(certificate);
  assert.equal(read.checkHost('hub.example'), 'hub.example');
  assert.equal(read.checkIP('192.0.2.7'), '192.0.2.7');
  assert.equal(read.checkIP('2001:db8::1'), '2001:db8::1');
  assert.ok(read.checkIssued(new X509Certificate(authority.certificate)));
  assert.equal(identityOf(certificate, 'bouheki'), undefined);
});

test('role, id, serial and key are read from a certificate', async () => {
  const key = newKey();
  const uri = uriOf('bouheki', 'host', '0b9c');
  const issued = await issueClient(authority, { uri, publicKey: publicKeyOf(key), life: HOST_LIFE }, NOW);
  assert.deepEqual(identityOf(issued.certificate, 'bouheki'), {
    role: 'host',
    id: '0b9c',
    serial: issued.serial,
    keyHash: digestOf(publicKeyOf(key)),
    begins: NOW - 300_000,
    ends: NOW + HOST_LIFE,
  });
  assert.equal(issued.ends, NOW + HOST_LIFE);
  assert.equal(identityOf(issued.certificate, 'elsewhere'), undefined);
  assert.deepEqual(certificatesIn(pemOf([issued.certificate, issued.certificate])), [
    issued.certificate,
    issued.certificate,
  ]);
});

test('other roles, deeper paths and odd names are nobody', async () => {
  const publicKey = publicKeyOf(newKey());
  for (const uri of [
    'spiffe://bouheki/hub/a',
    'spiffe://bouheki/host/a/b',
    'spiffe://bouheki/host/',
    'spiffe://bouheki/host/a%2Fb',
    'https://bouheki/host/a',
  ]) {
    const { certificate } = await issueClient(authority, { uri, publicKey, life: DAY }, NOW);
    assert.equal(identityOf(certificate, 'bouheki'), undefined, uri);
  }
});

test('no certificate outlives its authority', async () => {
  const late = NOW + 3645 * DAY;
  const uri = uriOf('bouheki', 'host', 'a');
  const { ends } = await issueClient(
    authority,
    { uri, publicKey: publicKeyOf(newKey()), life: HOST_LIFE },
    late,
  );
  assert.equal(ends, NOW + 3650 * DAY);
});

test('the key of another, a leaf, and what has expired are no authority', async () => {
  const key = newKey();
  const leaf = await issueHub(authority, ['a'], publicKeyOf(key), NOW);
  assert.throws(() => checkAuthority({ ...authority, key }, NOW), { code: 'fleet' });
  assert.throws(() => checkAuthority({ ...authority, key: 'no key' }, NOW), { code: 'fleet' });
  assert.throws(() => checkAuthority({ certificate: pemOf([leaf.certificate]), key }, NOW), /no others/);
  assert.throws(() => checkAuthority(authority, NOW + 3651 * DAY), /expired/);
  await assert.rejects(issueHub({ ...authority, key: newSigningKey() }, ['a'], publicKeyOf(key), NOW), {
    code: 'fleet',
  });
});
