import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';

const MAIN = join(import.meta.dirname, '../../../../bundle/main.js');
const folder = mkdtempSync(join(tmpdir(), 'bouheki-completion-'));

/** The file of what is printed for a shell. */
function scriptFor(shell: string): string {
  const file = join(folder, shell);
  writeFileSync(file, execFileSync(process.execPath, [MAIN, 'completion', shell]));
  return file;
}

/** What bash offers for the last of these words. */
function offered(...words: string[]): string[] {
  const ask = `. ${bash}
    COMP_WORDS=("$@")
    COMP_CWORD=$(($# - 1))
    _bouheki
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  const answer = execFileSync('bash', ['-c', ask, 'ask', 'bouheki', ...words], { encoding: 'utf8' });
  return answer.split('\n').filter((line) => line !== '');
}
const bash = scriptFor('bash');

test('bash completes commands, their options and what these may be', () => {
  assert.deepEqual(offered('expo').toSorted(), ['export', 'export-policy']);
  assert.ok(offered('').includes('learn') && offered('').includes('version'));
  assert.deepEqual(offered('learn', '--dur'), ['--duration']);
  assert.deepEqual(offered('learn', '--target', ''), ['host', 'container']);
  assert.deepEqual(offered('export-policy', '--to', 'ip'), ['iptables', 'ip6tables']);
  assert.deepEqual(offered('completion', ''), ['bash', 'zsh', 'fish']);
});

test('bash completes commands below commands, and what may stand before one', () => {
  assert.deepEqual(offered('fleet', 'ro'), ['rollout']);
  assert.deepEqual(offered('fleet', 'rollout', 'pa'), ['pause']);
  assert.deepEqual(offered('hub', 'run', '--de'), ['--demo']);
  assert.ok(!offered('fleet', 'rollout', '').includes('rollout'));
  assert.deepEqual(offered('--d'), ['--db']);
  assert.deepEqual(offered('--db', 'x', 'sta'), ['status']);
  // What an option is given is no command.
  assert.deepEqual(offered('status', '--since', 'learn', '--jso'), ['--json']);
  assert.deepEqual(offered('help', 'wat'), ['watch']);
  assert.deepEqual(offered('man', 'wat'), ['watch']);
});

test('bash completes a file where a policy or the value of an option is to be named, and nothing of another program', () => {
  assert.deepEqual(offered('check', 'pol'), []);
  assert.deepEqual(offered('learn', '--db', ''), []);
  assert.deepEqual(offered('run', '--', 'npm', '--ver'), []);
});

for (const shell of ['zsh', 'fish']) {
  test(`${shell} reads what is printed for it`, (context: TestContext) => {
    const file = scriptFor(shell);
    const { error, status, stderr } = spawnSync(shell, ['-n', file], { encoding: 'utf8' });
    if (error !== undefined) return context.skip(`there is no ${shell} here`);
    assert.equal(status, 0, stderr);
    if (shell === 'fish') assert.match(offeredByFish(file, 'bouheki fleet rollout pa'), /^pause\t/);
  });
}

function offeredByFish(file: string, line: string): string {
  const ask = `source ${file}; complete -C '${line}'`;
  return execFileSync('fish', ['--no-config', '-c', ask], { encoding: 'utf8' });
}

test('another shell is refused with those that there are', () => {
  const { status, stderr } = spawnSync(process.execPath, [MAIN, 'completion', 'tcsh'], { encoding: 'utf8' });
  assert.equal(status, 2);
  assert.match(stderr, /Allowed choices are bash, zsh, fish/);
});
