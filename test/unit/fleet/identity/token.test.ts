import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  digestOfAuthors,
  hashOfSecret,
  isAddress,
  type JoinToken,
  newSecret,
  parseToken,
  printToken,
} from '../../../../fleet/identity/token.ts';

const { hash, secret } = newSecret();
const TOKEN: JoinToken = {
  enroll: ['hub.example:8444'],
  hub: ['hub.example:8443', '[2001:db8::1]:8443'],
  authority: 'ab'.repeat(32),
  authors: 'cd'.repeat(32),
  secret,
};

const withBody = (body: object) => `bouheki-${Buffer.from(JSON.stringify(body)).toString('base64url')}`;

test('a token is one word that is read as it was written', () => {
  const word = printToken(TOKEN);
  assert.match(word, /^bouheki-[\w-]+$/);
  assert.deepEqual(parseToken(`${word}\n`), TOKEN);
  assert.equal(hashOfSecret(secret), hash);
});

test('every cut token is refused', () => {
  const word = printToken(TOKEN);
  for (let length = 0; length < word.length; length++) {
    assert.throws(() => parseToken(word.slice(0, length)), { code: 'fleet' }, `${length}`);
  }
});

test('a token of another version, and one with strange addresses, is refused', () => {
  assert.throws(() => parseToken(withBody({ v: 2 })), /another version/);
  for (const hub of [[], ['a'], ['a:0'], ['a b:1'], ['a:1\n'], 'a:1', [1]]) {
    const word = withBody({ v: 1, e: ['a:1'], h: hub, a: TOKEN.authority, k: TOKEN.authors, s: secret });
    assert.throws(() => parseToken(word), /not whole/, JSON.stringify(hub));
  }
});

test('a token that names no authors is refused', () => {
  const { authority: a, enroll: e, hub: h } = TOKEN;
  for (const k of [undefined, '', 'x'.repeat(64), 1]) {
    assert.throws(() => parseToken(withBody({ v: 1, e, h, a, k, s: secret })), /not whole/, `${k}`);
  }
});

test('authors are the same in any order, and others where a key or the number that must sign differs', () => {
  const [anna, ben] = [Buffer.from('anna'), Buffer.from('ben')];
  const digest = digestOfAuthors({ authorKeys: [anna, ben], authorThreshold: 2 });
  assert.equal(digestOfAuthors({ authorKeys: [ben, anna, ben], authorThreshold: 2 }), digest);
  const others = [
    { authorKeys: [anna, ben], authorThreshold: 1 },
    { authorKeys: [anna], authorThreshold: 2 },
    { authorKeys: [anna, ben, Buffer.from('eve')], authorThreshold: 2 },
    { authorKeys: [], authorThreshold: 2 },
  ];
  for (const other of others) assert.notEqual(digestOfAuthors(other), digest);
});

test('an address is a host and a port', () => {
  assert.deepEqual(
    ['a:1', '192.0.2.1:8443', '[::1]:65535', 'a', ':1', 'a:65536', '::1:80', '-a:1', 'a:1x'].filter(
      isAddress,
    ),
    ['a:1', '192.0.2.1:8443', '[::1]:65535'],
  );
});
