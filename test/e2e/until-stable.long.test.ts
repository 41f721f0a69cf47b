/** `learn --until stable` ends by what it has seen, or says that the time was up first. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Running } from './bouheki.ts';
import { folder, startNetwork, stopNetwork } from './guest.ts';

const db = join(folder(), 'record.duckdb');
/** bash is one program that connects to one place, again and again. */
const STEADY = 'while :; do exec 3<>/dev/tcp/10.0.1.1/80; exec 3>&-; sleep 0.05; done';

before(startNetwork);
after(stopNetwork);

test('learning ends when every subject is stable, long before the time is up', async () => {
  const learn = await Running.start(
    'learn',
    '--until',
    'stable',
    '--at-least',
    '5s',
    '--duration',
    '10m',
    '--db',
    db,
  );
  const client = spawn('bash', ['-c', STEADY], { stdio: 'ignore' });
  try {
    const { status, stderr } = await learn.end();
    assert.equal(status, 0, stderr);
    assert.match(stderr, /^Stable: 1 subject, in traffic of (\d+m)?\d+s\.$/m);
    assert.doesNotMatch(stderr, /goes on with it/);
  } finally {
    client.kill();
    await once(client, 'exit');
  }
});

test('when the time is up first, learning ends with 1 and names who is not stable', async () => {
  const learn = await Running.start(
    'learn',
    '--until',
    'stable',
    '--at-least',
    '1s',
    '--duration',
    '4s',
    '--db',
    db,
  );
  const client = spawn('bash', ['-c', 'exec 3<>/dev/tcp/10.0.1.2/80'], { stdio: 'ignore' });
  await once(client, 'exit');
  const { status, stderr } = await learn.end();
  assert.equal(status, 1, stderr);
  assert.match(
    stderr,
    /^Ended before it was stable: 1 of 1 subject not, in traffic of 0s\.\n {2}learning: \/usr\/bin\/bash uid 0 \(root\), up to 100 % unseen$/m,
  );
});
