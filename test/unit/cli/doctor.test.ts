import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import test from 'node:test';
import type { Requirement } from '../../../bpf/requirement.ts';
import { verdictOn } from '../../../cli/run/doctor.ts';

const MAIN = join(import.meta.dirname, '../../../bundle/main.js');

const OK: Requirement = { name: 'Linux', state: 'ok', found: '6.1', code: 'kernel' };
const BACKEND: Requirement = { ...OK, name: 'the backend cgroup', state: 'limited', only: 'cgroup' };
const LSM = { backend: 'lsm' } as const;

/** The verdict where these were found beside what is ok. */
function verdict(...findings: Partial<Requirement>[]): string {
  const found = findings.map((each): Requirement => Object.assign({}, OK, each));
  return verdictOn([OK, BACKEND, ...found], LSM).text;
}

test('all findings come to one verdict', () => {
  assert.equal(verdict(), 'Ready: learn and enforce can watch the whole host.');
  assert.equal(
    verdict({ name: 'task storage', state: 'limited' }),
    'Ready: learn and enforce can watch the whole host. Limited: task storage.',
  );
  const root = {
    name: 'capabilities',
    state: 'missing',
    code: 'privilege',
    remedy: 'run it as root',
  } as const;
  assert.match(verdict(root), /^Can't tell without root whether the whole host can be watched; /);
  assert.equal(
    verdict(root, { name: 'BTF', state: 'missing', remedy: 'boot another kernel' }),
    'Not ready. Missing: capabilities; BTF. First, boot another kernel.',
  );
  const cgroup = { backend: 'cgroup', cgroup: '/sys/fs/cgroup/a' } as const;
  assert.equal(verdictOn([OK], cgroup).text, 'Ready: learn and enforce can watch /sys/fs/cgroup/a.');
});

test("without root doctor ends with that it can't tell, and calls nothing missing that root would find", (t) => {
  const args = [
    '--inh-caps=-all',
    '--bounding-set=-all',
    process.execPath,
    MAIN,
    'doctor',
    '--cgroup',
    '/sys/fs/cgroup/none',
  ];
  const { error, status, stdout } = spawnSync('setpriv', args, { encoding: 'utf8' });
  if (error) return t.skip(`setpriv cannot be run: ${error.message}`);
  if (!stdout.includes('not held')) return t.skip(`no capabilities to take away here: ${stdout}`);
  assert.equal(status, 1);
  assert.match(stdout, /^unknown {2}task storage \(Linux 5\.11\): can't tell without root$/m);
  assert.match(
    stdout,
    /^unknown {2}the kernel side loads and attaches to the cgroup: can't tell without root$/m,
  );
  if (!stdout.match(/^MISSING {2}(?!capabilities)/m))
    assert.match(stdout, /\n\nCan't tell without root whether \/sys\/fs\/cgroup\/none can be watched; .*\n$/);
});
