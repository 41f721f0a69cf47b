/** What is typed wrong, or names files that are no good. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chownSync, mkdirSync, readdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { makeAuthority } from '../../../../fleet/identity/authority.ts';

const MAIN = join(import.meta.dirname, '../../../../bundle/main.js');
const place = mkdtempSync(join(tmpdir(), 'bouheki-fleet-'));
const AGENT = join(place, 'agent');
after(() => rmSync(place, { recursive: true, force: true }));

function bouheki(...words: readonly string[]) {
  const { status, stderr } = spawnSync(process.execPath, [MAIN, ...words], { encoding: 'utf8' });
  return { status, err: stderr };
}

test('an authority of the user own is taken, and one that is none is not', async () => {
  const dir = join(place, 'own');
  const { certificate, key } = await makeAuthority('own', Date.now());
  writeFileSync(join(place, 'ca.pem'), certificate);
  writeFileSync(join(place, 'ca-key.pem'), key);
  const own = ['--ca-certificate', join(place, 'ca.pem'), '--ca-key', join(place, 'ca-key.pem')];
  assert.equal(bouheki('hub', 'init', '--dir', dir, '--name', 'hub.example', ...own).status, 0);
  assert.equal(readFileSync(join(dir, 'ca.pem'), 'utf8'), certificate);
  const twice = bouheki('hub', 'init', '--dir', dir, '--name', 'hub.example');
  assert.deepEqual([twice.status, /there is a hub in/.test(twice.err)], [2, true]);
  const leaf = ['--ca-certificate', join(dir, 'hub.pem'), '--ca-key', join(dir, 'hub-key.pem')];
  const wrong = bouheki('hub', 'init', '--dir', join(place, 'other'), '--name', 'a', ...leaf);
  assert.deepEqual([wrong.status, /may sign no others/.test(wrong.err)], [2, true]);
  const half = bouheki('hub', 'init', '--dir', join(place, 'other'), '--name', 'a', '--ca-key', 'x');
  assert.deepEqual([half.status, /go together/.test(half.err)], [2, true]);
});

test('what is typed wrong is said before anything is done', () => {
  for (const [words, message] of [
    [['hub', 'run', '--dir', '/nonexistent'], /either --store or --demo/],
    [['hub', 'token', '--store', 'postgres:///x', '--dir', '/nonexistent'], /there is no hub in/],
    [
      ['hub', 'token', '--store', 'db.example.com', '--dir', '/nonexistent'],
      /must be a URL such as postgres:/,
    ],
    [['hub', 'run', '--store', 'https://db.example.com/bouheki'], /must be a URL such as postgres:/],
    [['hub', 'run', '--listen', '8443'], /must be an address and a port/],
    [['hub', 'run', '--listen', '::1:8443'], /must be an address and a port/],
    [['hub', 'run', '--enroll-listen', '192.0.2.300:8444'], /must be an address and a port/],
    [['hub', 'run', '--enroll-listen', '[::1]:84440'], /must be an address and a port/],
    [['hub', 'token', '--label', 'x'], /KEY=VALUE/],
    [['hub', 'init', '--dir', join(place, 'x')], /--name/],
    [['hub', 'init', '--name', 'a b', '--dir', join(place, 'x')], /no name that a certificate/],
    [['hub', 'rotate', '--dir', join(place, 'own')], /one step is done at a time/],
    [['hub', 'rotate', '--dir', join(place, 'own'), '--switch'], /not the turn of --switch/],
    [['join', '--dir', AGENT, '--token', 'bouheki-x'], /not whole/],
    [['join', '--dir', AGENT], /either --token or --token-file/],
    [['hub', 'nonsense'], /unknown command|nonsense/],
  ] as const) {
    const { err, status } = bouheki(...words);
    assert.equal(status, 2, words.join(' '));
    assert.match(err, message);
  }
});

test('where /proc is not mounted, that is what is said', (t) => {
  const empty = ['unshare', '--mount', 'sh', '-c', 'mount -t tmpfs none /proc && exec "$@"', 'sh'];
  if (spawnSync('unshare', ['--mount', 'true']).status !== 0) {
    t.skip('no namespace of mounts can be made here');
    return;
  }
  const words = ['hub', 'init', '--name', 'hub.example', '--dir', join(place, 'blind')];
  const { status, stderr } = spawnSync(empty[0]!, [...empty.slice(1), process.execPath, MAIN, ...words], {
    encoding: 'utf8',
  });
  assert.equal(status, 2, stderr);
  assert.match(
    stderr,
    /^bouheki: cannot see the files that this process has open \(\/proc\/self\)\n  mount \/proc: /,
  );
});

test(
  'files of an operator are not made in a directory of another user',
  { skip: process.getuid?.() !== 0 && 'this needs root' },
  () => {
    const home = join(place, 'home');
    mkdirSync(home);
    const hub = ['--dir', join(place, 'own')];
    assert.equal(bouheki('hub', 'operator', 'anna', ...hub, '--into', join(home, 'a')).status, 0);
    chownSync(home, 12_345, 12_345);
    for (const words of [
      ['hub', 'operator', 'anna', ...hub, '--into', home],
      ['hub', 'operator', 'anna', ...hub, '--into', join(home, 'b')],
      ['hub', 'init', '--name', 'hub.example', '--dir', join(home, 'hub')],
    ]) {
      const { err, status } = bouheki(...words);
      assert.deepEqual([status, /can be changed by users other than/.test(err)], [2, true], err);
    }
    assert.deepEqual(readdirSync(home), ['a']);
  },
);
