import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { flushResolved } from '../../../../daemon/name/resolved-cache.ts';

test('systemd-resolved is told to forget where it runs, and what came of it is said', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'bouheki-test-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const [runs, resolvectl, asked] = ['resolv.conf', 'resolvectl', 'asked'].map((name) => join(folder, name));
  const places = { runs: runs!, resolvectl: resolvectl! };
  const write = (script: string): void =>
    writeFileSync(resolvectl!, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  write(`echo "$@" >${asked}`);
  assert.equal(await flushResolved(places), undefined, 'it does not run');
  writeFileSync(runs!, '');
  assert.match((await flushResolved(places))!, /^Flushed the cache/);
  assert.equal(readFileSync(asked!, 'utf8'), 'flush-caches\n');
  write('echo "Failed to flush caches: no bus" >&2; exit 1');
  assert.match((await flushResolved(places))!, /^Warning: .*\(Failed to flush caches: no bus\)/);
  rmSync(resolvectl!);
  assert.match((await flushResolved(places))!, /^Warning: .*ENOENT/);
});
