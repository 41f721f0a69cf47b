/** The .rpm, by the rpm of Debian 12. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { Life } from './machine.ts';
import { CARRYING_DEB, CARRYING_RPM } from './packages.ts';

const life = new Life({ suite: 'bookworm', kernel: '6.1', deb: CARRYING_DEB, rpm: CARRYING_RPM });
before(() => life.boot('rpm'));

test('it installs, learns, and leaves no program when it is erased', () => {
  life.good('install');
  assert.match(life.good('version'), /^\d+\.\d+\.\d+$/);
  life.good('learn');
  assert.match(life.good('recorded'), /10\.9\.0\.7/);
  life.good('erase');
  assert.equal(life.read('left.stdout'), '');
  assert.equal(life.read('active.stdout'), 'inactive');
});
