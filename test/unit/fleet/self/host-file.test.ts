import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readHostFile, writeHostFile } from '../../../../fleet/self/host-file.ts';

test('what a hub said of this host is read again, and nothing of a file that is none', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'bouheki-test-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  assert.equal(readHostFile(directory), undefined);
  const host = { id: 'h1', name: 'web-17', labels: { role: 'web' } };
  writeHostFile(host, directory);
  assert.equal(readHostFile(directory), undefined, 'the host has joined no fleet');
  writeFileSync(join(directory, 'identity.json'), '{"hostId":"h2"}');
  assert.equal(readHostFile(directory), undefined, 'it is another host');
  writeFileSync(join(directory, 'identity.json'), '{"hostId":"h1"}');
  assert.deepEqual(readHostFile(directory), host);
  for (const text of ['', '{', 'null', '[]', '{"id":"h","name":"n","labels":{"role":1}}', '{"name":"n"}']) {
    writeFileSync(join(directory, 'host.json'), text);
    assert.equal(readHostFile(directory), undefined, text);
  }
});
