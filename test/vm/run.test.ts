import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

const repository = join(import.meta.dirname, '../../..');
const runner = join(repository, 'test/vm/run');

function commandLine(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}

/** The processes with this argument, of whatever parent. */
function processesWith(argument: string): string[] {
  return readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && commandLine(pid).includes(argument));
}

test('passes arguments, both output streams, the exit status and result files through', () => {
  const out = mkdtempSync(join(tmpdir(), 'bouheki-out-'));
  const script = `
    printf '<%s>' "$@"; pwd; cat /sys/kernel/security/lsm
    echo complaint >/dev/stderr
    [ -w "$BOUHEKI_OUT" ] && uname -r >"$BOUHEKI_OUT/release"
    [ "$(hostname)" = bouheki-vm ] && [ ! -t 1 ] || echo wrong
    touch only-in-the-guest
    sleep 1000 &
    exit 7`;
  const args = ['a b', '', "it's", '$HOME "*"\n\\'];
  try {
    const result = spawnSync(runner, ['--out', out, '--', 'bash', '-c', script, 'name', ...args], {
      encoding: 'utf8',
    });
    const [first, ...rest] = result.stdout.split(repository);
    assert.equal(first, args.map((argument) => `<${argument}>`).join(''));
    assert.match(rest.join(''), /^\n\S*\bbpf\b\S*$/);
    assert.equal(result.stderr, 'complaint\n');
    assert.match(readFileSync(join(out, 'release'), 'utf8'), /^6\.1\./);
    assert.equal(result.status, 7);
    assert.equal(existsSync(join(repository, 'only-in-the-guest')), false);
  } finally {
    rmSync(out, { recursive: true });
  }
});

test('ends with 124 when the time is up', () => {
  const result = spawnSync(runner, ['--timeout', '2', '--', 'true'], { encoding: 'utf8' });
  assert.equal(result.status, 124);
  assert.equal(
    result.stderr,
    'vm: ended after 2 seconds while the machine booted: --timeout SECONDS allows more\n',
  );
});

test('says of a command that took too long when it began', () => {
  const result = spawnSync(runner, ['--timeout', '30', '--', 'sleep', '1000'], { encoding: 'utf8' });
  assert.equal(result.status, 124);
  assert.match(
    result.stderr,
    /^vm: ended after 30 seconds while the command ran, which began after [\d.]+ seconds of boot: --timeout SECONDS allows more\n$/,
  );
});

test('ends with 125 and shows the console when the machine fails', () => {
  const result = spawnSync(runner, ['--append', 'rdinit=/nothing', '--', 'true'], { encoding: 'utf8' });
  assert.equal(result.status, 125);
  assert.match(result.stderr, /Kernel panic/);
});

for (const signal of ['SIGTERM', 'SIGINT', 'SIGKILL'] as const) {
  test(`leaves no process behind after ${signal}`, async () => {
    const out = mkdtempSync(join(tmpdir(), 'bouheki-out-'));
    const shared = `local,path=${out},mount_tag=out,security_model=passthrough`;
    try {
      const child = spawn(runner, ['--out', out, '--', 'sleep', '1000'], {
        stdio: 'ignore',
        // What a killed runner cannot remove goes with the test's own folder.
        env: { ...process.env, TMPDIR: out },
      });
      const closed = new Promise((resolve) => child.once('close', (code, by) => resolve(by ?? code)));
      while (processesWith(shared).length < 2) await new Promise((resolve) => setTimeout(resolve, 50));
      child.kill(signal);
      assert.equal(await closed, { SIGTERM: 143, SIGINT: 130, SIGKILL: 'SIGKILL' }[signal]);
      // The kernel signals its parent's end to QEMU, and QEMU takes a moment.
      for (let i = 0; i < 100 && processesWith(shared).length > 0; i++) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      assert.deepEqual(processesWith(shared), []);
    } finally {
      rmSync(out, { recursive: true });
    }
  });
}
