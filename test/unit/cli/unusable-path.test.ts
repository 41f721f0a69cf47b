/** Paths that cannot be what a command takes them for. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { directoryFor } from './fixture.ts';

const MAIN = join(import.meta.dirname, '../../../bundle/main.js');

function run(args: readonly string[], env: Record<string, string> = {}) {
  const options = { encoding: 'utf8', env: { ...process.env, ...env } } as const;
  return spawnSync(process.execPath, [MAIN, ...args], options);
}

test('a file where a directory is meant, and the other way, is said, and is no bug', (t) => {
  const directory = directoryFor(t);
  const file = join(directory, 'file');
  writeFileSync(file, '');
  const hub = join(directory, 'hub');
  const made = run(['hub', 'init', '--name', '127.0.0.1', '--dir', hub]);
  assert.equal(made.status, 0, made.stderr);
  const commands: [args: string[], env?: Record<string, string>][] = [
    [['status'], { BOUHEKI_CONFIG: directory }],
    [['status'], { BOUHEKI_CONFIG: '/dev/null' }],
    [['leave', '--dir', file]],
    [['hub', 'init', '--name', 'x', '--dir', file]],
    [['hub', 'run', '--dir', hub, '--demo', file]],
    [['hub', 'run', '--dir', hub, '--demo', join(file, 'x')]],
  ];
  for (const [args, env] of commands) {
    const { status, stderr } = run(args, env);
    assert.equal(status, 2, `${args.join(' ')}: ${stderr}`);
    assert.match(stderr, /^bouheki: (?!this is a bug).+\n {2}\w/, args.join(' '));
    assert.doesNotMatch(stderr, /\n {4}at /, args.join(' '));
  }
});
