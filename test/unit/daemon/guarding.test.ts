import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeRefusals } from '../../../daemon/control/guarding.ts';

test('who was refused is said on one line, whatever it calls itself', () => {
  assert.equal(
    describeRefusals({ count: 3, pid: 7, command: 'x\nbouheki: fine\u202e' }, 2),
    'Warning: others tried to get at what is enforced and were refused, once; the last was process 7 (x\\u{a}bouheki: fine\\u{202e}).\n',
  );
  assert.match(describeRefusals({ count: 9, pid: 7, command: 'rm' }, 2), /refused, 7 times; .* 7 \(rm\)\.$/m);
});
