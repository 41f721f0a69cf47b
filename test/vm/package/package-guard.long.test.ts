/** What a guard keeps in force outlives no package: a removal says so, and changes nothing before the key was given. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { Life } from './machine.ts';
import { CARRYING_DEB } from './packages.ts';

const life = new Life({ suite: 'bookworm', kernel: '6.1', deb: CARRYING_DEB });
before(() => life.boot('guard'));

const GUARDED =
  /what the kernel enforces is guarded, and stays\. End it first: bouheki detach --guard-key FILE/;

test('a removal and a purge without the key say what to do, and leave all as it was', () => {
  life.good('install');
  life.good('enforce');
  assert.match(life.read('denied.stderr'), /Operation not permitted/);
  for (const name of ['remove', 'purge']) {
    assert.notEqual(life.status(name), '0');
    assert.match(life.read(`${name}.stderr`), GUARDED);
  }
  const pid = life.good('before');
  assert.match(pid, /^[1-9]/);
  assert.deepEqual([life.good('after'), life.good('after_purge')], [pid, pid]);
  assert.match(life.read('still_denied.stderr'), /Operation not permitted/);
});

test('an upgrade goes on with the key of its unit', () => {
  life.good('upgrade');
  assert.notEqual(life.good('after_upgrade'), life.good('before'));
  assert.match(life.good('after_upgrade'), /^[1-9]/);
  assert.match(life.read('upgraded_denied.stderr'), /Operation not permitted/);
});

test('what a process has left guarded is refused too', () => {
  life.good('stop');
  assert.notEqual(life.status('stopped_remove'), '0');
  assert.match(life.read('stopped_remove.stderr'), GUARDED);
  assert.match(life.read('stopped_denied.stderr'), /Operation not permitted/);
});

test('with the key it ends, and a purge leaves an open host', () => {
  life.good('detach');
  life.good('purge_at_last');
  assert.equal(life.status('open'), '124');
  assert.equal(life.read('left.stdout'), '');
});
