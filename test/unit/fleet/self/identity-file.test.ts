import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { AgentMemory } from '../../../../fleet/agent/memory.ts';
import { readHostFile, writeHostFile } from '../../../../fleet/self/host-file.ts';
import {
  type AgentIdentity,
  forgetIdentity,
  hasJoined,
  readIdentity,
  storeCertificate,
  storeTrust,
  writeIdentity,
} from '../../../../fleet/self/identity-file.ts';

const IDENTITY: AgentIdentity = {
  hostId: '0b8e',
  enroll: ['hub.example:8442'],
  hub: ['hub.example:8443', '[2001:db8::1]:8443'],
  authorKeys: [Buffer.from([1, 2])],
  authorThreshold: 1,
  hubKey: Buffer.from([3]),
  key: 'KEY\n',
  certificate: 'CERTIFICATE\n',
  trust: 'TRUST\n',
};

function directoryFor(t: TestContext): string {
  const place = mkdtempSync(join(tmpdir(), 'bouheki-test-'));
  t.after(() => rmSync(place, { recursive: true }));
  return join(place, 'fleet');
}

test('a host that is interrupted while it becomes another one has not joined, instead of being half of each', (t) => {
  const directory = directoryFor(t);
  writeIdentity(directory, IDENTITY);
  // In the way of the certificate, which comes after the key.
  rmSync(join(directory, 'certificate.pem'));
  mkdirSync(join(directory, 'certificate.pem'));
  assert.throws(() => writeIdentity(directory, { ...IDENTITY, hostId: '1c9f', key: 'OTHER\n' }));
  assert.equal(readIdentity(directory), undefined);
});

test('an identity is read as it was written, by its owner alone', (t) => {
  const directory = directoryFor(t);
  assert.equal(hasJoined(directory), false);
  assert.equal(readIdentity(directory), undefined);
  writeIdentity(directory, IDENTITY);
  assert.equal(hasJoined(directory), true);
  assert.deepEqual(readIdentity(directory), IDENTITY);
  for (const name of readdirSync(directory))
    assert.equal(statSync(join(directory, name)).mode & 0o777, 0o600);
});

test('a certificate that was renewed and new authorities take the place of the old ones', (t) => {
  const directory = directoryFor(t);
  writeIdentity(directory, IDENTITY);
  storeCertificate(directory, 'NEW');
  storeTrust(directory, 'BOTH');
  assert.deepEqual(readIdentity(directory), { ...IDENTITY, certificate: 'NEW', trust: 'BOTH' });
});

test('an identity that is not whole, or that others may have written, is refused with what to do', (t) => {
  const directory = directoryFor(t);
  writeIdentity(directory, IDENTITY);
  chmodSync(directory, 0o755);
  assert.throws(() => readIdentity(directory), { code: 'untrusted' });
  chmodSync(directory, 0o700);
  rmSync(join(directory, 'key.pem'));
  assert.throws(() => readIdentity(directory), { code: 'fleet', detail: /key.pem/ });
  writeFileSync(join(directory, 'identity.json'), '{}');
  assert.throws(() => readIdentity(directory), { code: 'fleet' });
  writeFileSync(join(directory, 'identity.json'), 'null');
  assert.throws(() => readIdentity(directory), { code: 'fleet' });
});

/** What an agent has made of its fleet. */
function fill(directory: string): void {
  writeHostFile({ id: IDENTITY.hostId, name: 'web-17', labels: { role: 'web' } }, directory);
  new AgentMemory(directory, IDENTITY.hostId).acknowledge(7);
  mkdirSync(join(directory, 'held'), { recursive: true });
  for (const name of ['held/5.json', 'last-good', 'highest']) writeFileSync(join(directory, name), '{}');
}

test('a host that leaves keeps nothing of its fleet, and is called nothing more', (t) => {
  const directory = directoryFor(t);
  writeIdentity(directory, IDENTITY);
  fill(directory);
  assert.equal(readHostFile(directory)?.name, 'web-17');
  forgetIdentity(directory);
  assert.deepEqual(readdirSync(directory), []);
  // The agent that still runs says once more what it was told.
  fill(directory);
  assert.equal(readHostFile(directory), undefined);
});

test('a host that joins as another one has the labels and the memory of none', (t) => {
  const directory = directoryFor(t);
  writeIdentity(directory, IDENTITY);
  fill(directory);
  writeIdentity(directory, { ...IDENTITY, key: 'SAME HOST\n' });
  assert.equal(readHostFile(directory)?.name, 'web-17');
  assert.equal(new AgentMemory(directory, IDENTITY.hostId).acknowledged, 7);
  writeIdentity(directory, { ...IDENTITY, hostId: '0b8f' });
  assert.ok(!existsSync(join(directory, 'host.json')) && !existsSync(join(directory, 'state.json')));
  assert.ok(existsSync(join(directory, 'highest')), 'no older policy of the same fleet may come back');
  fill(directory);
  assert.equal(readHostFile(directory), undefined);
  assert.equal(new AgentMemory(directory, '0b8f').acknowledged, 0);
});
