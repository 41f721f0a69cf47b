import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const MAIN = join(import.meta.dirname, '../../../bundle/main.js');

const REFUSALS: [args: string[], said: RegExp][] = [
  [['frobnicate'], /^bouheki: unknown command 'frobnicate'\n {2}see `bouheki --help`\n$/],
  [['lern'], /^bouheki: unknown command 'lern'\n\(Did you mean learn\?\)\n {2}see `bouheki --help`\n$/],
  [['frobnicate', '--help'], /^bouheki: unknown command 'frobnicate'\n {2}see `bouheki --help`\n$/],
  [['learn', '--frobnicate'], /^bouheki: unknown option '--frobnicate'\n {2}see `bouheki learn --help`\n$/],
  [['--frobnicate'], /^bouheki: unknown option '--frobnicate'\n {2}see `bouheki --help`\n$/],
  [['learn', 'extra'], /^bouheki: too many arguments for 'learn'\./],
  [
    ['learn', '--duration', 'never'],
    /^bouheki: option '--duration <time>' argument 'never' is invalid\. It must be /,
  ],
  [['generate', '--min-hosts', '2'], /^bouheki: --min-hosts goes with --fleet\n/],
  [['generate', '--curve', '--summary'], /^bouheki: option '--summary' cannot be used with option '--curve'/],
  [['hub', 'token', '--expires', '0s'], /argument '0s' is invalid\. It must be a minute at least/],
  [['enforce', '--no-fleet'], /no policy is named, and this host has not joined a fleet/],
  [['enforce', '--mode', 'block'], /--mode is about a policy, and none is named/],
  [['enforce', '--no-preflight'], /--no-preflight is about a policy, and none is named/],
  [
    ['learn', '--backend', 'cgroup'],
    /^bouheki: the backend cgroup needs to know whose connections are meant\n {2}name the directory of a cgroup: --cgroup /,
  ],
  [
    ['learn', '--backend', 'lsm', '--cgroup', '/sys/fs/cgroup/a'],
    /^bouheki: the backend lsm watches the whole host, not a cgroup\n {2}leave --cgroup out, or --backend\n$/,
  ],
  [
    ['learn', '--backend', 'fmod_ret', '--cgroup', '/sys/fs/cgroup/a'],
    /^bouheki: the backend fmod_ret watches the whole host, not a cgroup\n {2}leave --cgroup out, or --backend\n$/,
  ],
  [
    ['--config', 'policy.yaml', 'learn'],
    /^bouheki: --config and the command learn do not go together\n {2}use /,
  ],
];

function told(...args: string[]): string {
  return spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8' }).stderr;
}

function printed(...args: string[]): string {
  return spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8' }).stdout;
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

test('`bouheki help COMMAND` prints what `bouheki COMMAND --help` does, and `bouheki version` what --version does', () => {
  assert.match(printed('help', 'learn'), /--duration/);
  assert.equal(printed('help', 'learn'), printed('learn', '--help'));
  assert.match(printed('version'), /^\d+\.\d+\.\d+\n$/);
  assert.equal(printed('version'), printed('--version'));
});

test('help of a command loads nothing of what the command does', () => {
  const { stdout: list } = spawnSync(process.execPath, [MAIN, '--help'], { encoding: 'utf8' });
  const commands = [...list.matchAll(/^ {2}([a-z][a-z-]+) /gm)].map(([, name]) => name!);
  assert.ok(commands.length >= 14, list);
  for (const command of commands.filter((name) => name !== 'help' && name !== 'version')) {
    const { stderr, stdout } = spawnSync(process.execPath, [MAIN, command, '--help'], {
      encoding: 'utf8',
      env: { ...process.env, NODE_DEBUG: 'esm' },
    });
    assert.match(stdout, /^Usage: bouheki /);
    assert.match(stderr, /bundle\/main\.js/, 'the loader says what it loads');
    // What a bundle leaves outside; inside, commander is the most of it.
    assert.doesNotMatch(stderr, /duckdb|koffi/, command);
    const files = new Set([...stderr.matchAll(/bundle\/[\w.-]+\.js/g)].map(([file]) => file));
    const size = [...files].reduce((sum, file) => sum + statSync(join(MAIN, '../..', file)).size, 0);
    assert(size < 150_000, `${command} --help reads ${size} bytes`);
  }
});

test('version, help and a misspelt command load no command', () => {
  for (const args of [['--version'], ['version'], ['--help'], ['lern']]) {
    // Node names each module that it links, in the debug log of its loader.
    const { stderr } = spawnSync(process.execPath, [MAIN, ...args], {
      encoding: 'utf8',
      env: { ...process.env, NODE_DEBUG: 'esm' },
    });
    assert.match(stderr, /bundle\/main\.js/, 'the loader says what it loads');
    assert.doesNotMatch(stderr, /bundle\/learn-|duckdb|koffi/, args.join(' '));
  }
});
