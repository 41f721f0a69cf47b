import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { directoryFor } from './fixture.ts';

const MAIN = join(import.meta.dirname, '../../../bundle/main.js');
const POLICY = `version: 2
network:
  mode: block
  allow:
    - name: web
      to: [{ cidr: [10.0.0.0/8], port: [443] }]
`;

function run(...words: string[]): { status: number | null; stderr: string; stdout: string } {
  const [file, ...args] = words;
  const { status, stderr, stdout } = spawnSync(file!, args, { encoding: 'utf8' });
  return { status, stderr, stdout };
}

for (const options of [[], ['--shadow'], ['--no-preflight']]) {
  test(`apply ${options.join(' ')} of a file that is not there says that, not that nothing enforces`, (t) => {
    const directory = directoryFor(t);
    const file = join(directory, 'missing.yaml');
    const outcome = run(
      process.execPath,
      MAIN,
      'apply',
      file,
      ...options,
      '--db',
      join(directory, 'b.duckdb'),
    );
    assert.equal(outcome.status, 2);
    assert.match(outcome.stderr, /missing\.yaml/);
    assert.doesNotMatch(outcome.stderr, /enforces|nothing is enforced/i);
  });
}

test('close says to others than root that it sees only their own processes', (t) => {
  if (run('unshare', '--user', 'true').status !== 0) {
    t.skip('no namespace of users can be made here');
    return;
  }
  const file = join(directoryFor(t), 'policy.yaml');
  writeFileSync(file, POLICY);
  const words = [process.execPath, MAIN, 'close', file];
  assert.match(run('unshare', '--user', ...words).stderr, /^Warning: only root sees/m);
  assert.doesNotMatch(run(...words).stderr, /only root sees/);
});
