import assert from 'node:assert/strict';
import test from 'node:test';
import { BouhekiError } from '../../../error/error.ts';
import { Trouble } from '../../../daemon/trouble.ts';

test('what happens again and again is told once, whatever is thrown', () => {
  const said: string[] = [];
  const trouble = new Trouble((text) => void said.push(text));
  const bug = new TypeError('x is undefined');
  for (let time = 0; time < 1000; time += 1) trouble.happened(bug);
  trouble.happened(new BouhekiError('kernel', 'a map is full'));
  trouble.happened('text');
  trouble.happened(undefined);
  assert.equal(said.length, 4);
  assert.match(said[0]!, /^bouheki: this is a bug in bouheki, please report it\nTypeError: x is undefined/);
  assert.equal(said[1], 'bouheki: a map is full\nEnforcement goes on.\n');
});

test('that nobody can be told is no trouble, and neither is ever new trouble', () => {
  let tries = 0;
  const trouble = new Trouble(() => {
    tries += 1;
    throw new Error('EPIPE');
  });
  for (let time = 0; time < 1000; time += 1) trouble.happened(new Error(`trouble ${time}`));
  assert.equal(tries, 20);
});
