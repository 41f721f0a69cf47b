import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';

const MAIN = join(import.meta.dirname, '../../../cli/main.js');

const REFUSALS: [args: string[], said: RegExp][] = [
  [['frobnicate'], /^bouheki: there is no command "frobnicate"\n {2}`bouheki --help` lists the commands\n$/],
  [['learn', '--frobnicate'], /^error: unknown option '--frobnicate'\n {2}see `bouheki learn --help`\n$/],
  [['--frobnicate'], /^error: unknown option '--frobnicate'\n {2}see `bouheki --help`\n$/],
  [['learn', 'extra'], /^error: too many arguments for 'learn'\./],
  [
    ['learn', '--duration', 'never'],
    /^error: option '--duration <time>' argument 'never' is invalid\. It must be /,
  ],
  [['enforce'], /^error: missing required argument 'policy'\n {2}see `bouheki enforce --help`\n$/],
  [
    ['learn', '--backend', 'cgroup'],
    /^bouheki: the backend cgroup needs to know whose connections are meant\n {2}name the directory of a cgroup: --cgroup /,
  ],
  [
    ['learn', '--backend', 'lsm', '--cgroup', '/sys/fs/cgroup/a'],
    /^bouheki: the backend lsm watches the whole host, not a cgroup\n {2}leave --cgroup out, or --backend\n$/,
  ],
  [
    ['--config', 'policy.yaml', 'learn'],
    /^bouheki: --config and the command learn do not go together\n {2}use /,
  ],
];

function told(...args: string[]): string {
  return spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8' }).stderr;
}

for (const [args, said] of REFUSALS) {
  test(`bouheki ${args.join(' ')} is refused with exit status 2`, () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8' });
    assert.match(stderr, said);
    assert.equal(stdout, '');
    assert.equal(status, 2);
  });
}

test('--db counts where it stands, before or behind the command; the one behind wins', () => {
  assert.match(told('--db', '/nowhere/a', 'query', 'SELECT 1'), /no database at \/nowhere\/a$/m);
  assert.match(
    told('--db', '/nowhere/a', 'query', '--db', '/nowhere/b', 'SELECT 1'),
    /no database at \/nowhere\/b$/m,
  );
});
