/** Files of a hub that is interrupted while it renews its certificate. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readHubFiles, writeHubFile } from '../../../../fleet/hub/files.ts';
import { certifyHub } from '../../../../fleet/hub/making.ts';
import { atEnd } from '../../at-end.ts';
import { makeTestHub, removeTestHub } from '../fixture/hub.ts';

test('a hub that ends between the files of a new certificate starts again', async (t) => {
  const directory = await makeTestHub();
  atEnd(t, () => removeTestHub(directory));
  const { authority, certificate, config } = readHubFiles(directory);
  const former = readFileSync(join(directory, 'hub.pem'), 'utf8');
  await certifyHub(directory, authority, config.names, Date.now());
  // The second file was not written.
  writeHubFile(directory, 'hub.pem', former);
  const read = readHubFiles(directory);
  assert.notEqual(read.certificate, certificate);
});

test('a key beside the certificate of another one is said', async (t) => {
  const [directory, other] = [await makeTestHub(), await makeTestHub()];
  for (const each of [directory, other]) atEnd(t, () => removeTestHub(each));
  const [key] = readFileSync(join(other, 'hub-key.pem'), 'utf8').split('-----BEGIN CERTIFICATE');
  writeHubFile(directory, 'hub-key.pem', key!);
  assert.throws(() => readHubFiles(directory), { code: 'fleet', detail: /hub\.pem is not of the key/ });
});
