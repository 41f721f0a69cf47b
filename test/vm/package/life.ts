/** From installation to purge, through an upgrade and a reboot. */
import assert from 'node:assert/strict';
import { before, suite, test } from 'node:test';
import { Life, type Machine } from './machine.ts';

/** Units: bouheki, -learn, -fleet, -hub, -drift.timer; first whether they are enabled, then whether they are active. */
const OFF = [...Array(5).fill('disabled'), ...Array(5).fill('inactive')] as string[];

function stateWith(...running: number[]): string[] {
  return OFF.map((state, at) => (running.includes(at % 5) ? (at < 5 ? 'enabled' : 'active') : state));
}

/** Declares the tests. `node` is the version of the Node.js that the package carries. */
export function liveIn(machine: Machine, node?: string): void {
  const life = new Life(machine);
  suite('installed, and upgraded', () => {
    before(() => life.boot('first'));
    declareFirst(life, node);
  });
  suite('booted again', () => {
    before(() => life.boot('second'));
    declareSecond(life);
    declareEnd(life);
  });
}

function declareFirst(life: Life, node?: string): void {
  test('it installs, and neither enables nor starts anything', () => {
    life.good('install');
    assert.deepEqual(life.lines('installed'), OFF);
  });

  test('systemd finds nothing wrong with its units', () => {
    assert.equal(life.good('verify') + life.read('verify.stderr'), '');
  });

  test('it has its objects, a libbpf and a Node.js', () => {
    const told = JSON.parse(life.good('version')) as Record<string, unknown>;
    assert.equal(Object.keys(told['objects'] as object).length, 8);
    assert.match(String(told['libbpf']), /^v1\./);
    if (node !== undefined) assert.equal(told['node'], node);
  });

  test('the learning service records', () => {
    life.good('learn');
    assert.match(life.good('recorded'), /"exe":"\/usr\/bin\/bash"/);
  });

  test('an upgrade restarts what runs, and keeps what is enabled', () => {
    life.good('upgrade');
    assert.equal(life.good('upgraded_version'), `bouheki\t${life.version}`);
    assert.notEqual(life.good('after_upgrade'), life.good('before_upgrade'));
    assert.deepEqual(life.lines('upgraded'), stateWith(1));
  });
}

function declareSecond(life: Life): void {
  test('it learns on, without a command, into the record that was there', () => {
    assert.notEqual(life.good('second_boot'), life.good('first_boot'));
    assert.deepEqual(life.lines('rebooted'), stateWith(1));
    assert.match(life.good('rebooted_recorded'), /10\.9\.0\.9/);
    assert.match(life.good('rebooted_recorded'), /10\.9\.0\.7/);
  });

  test('the session of docs/install.md ends with a policy of what was learnt in force', () => {
    const session = life.good('session');
    assert.match(session, /^\$ sudo systemctl enable --now bouheki$/m);
    // All but what lists findings end with 0.
    const failed = [...session.matchAll(/^\(exit status (\d+)\)$/gm)].map(([, status]) => status);
    assert.deepEqual(failed, [], session);
    assert.deepEqual(life.lines('enforcing'), [
      'enabled',
      'enabled',
      'disabled',
      'disabled',
      'enabled',
      'active',
      'inactive',
      'inactive',
      'inactive',
      'active',
    ]);
    assert.equal(life.status('allowed'), '124');
    assert.match(life.read('denied.stderr'), /Operation not permitted/);
    assert.equal(life.good('drift_status'), '1');
  });
}

function declareEnd(life: Life): void {
  test('removed while the kernel keeps a policy, it blocks nothing, and leaves policy and record alone', () => {
    life.good('reload');
    assert.notEqual(life.good('pinned'), '');
    life.good('remove');
    const kept = ['/etc/bouheki/policy.yaml', '/var/lib/bouheki/bouheki.duckdb'];
    assert.deepEqual(life.lines('removed'), [...kept, ...Array(5).fill('inactive')]);
    assert.equal(life.status('open'), '124');
  });

  test('purged, it leaves nothing', () => {
    life.good('purge');
    const first = new Set(life.read('before').split('\n'));
    const left = life
      .read('after')
      .split('\n')
      .filter((path) => !first.has(path));
    assert.deepEqual(left, []);
  });
}
