import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeBackstop } from '../../../cli/backstop-notes.ts';

test('enforce --backstop says what it does, or why it does nothing', () => {
  const block = { mode: 'block', target: 'host' } as const;
  assert.match(
    describeBackstop(block, 3),
    /^The backstop drops packets to the addresses of 3 deny entries\.\n$/,
  );
  for (const [policy, entries, reason] of [
    [block, 0, 'no deny entry of the policy names addresses and nothing else'],
    [
      { ...block, target: 'container' },
      3,
      'the policy is for containers alone, and a packet does not show whose it is',
    ],
    [{ ...block, mode: 'monitor' }, 3, 'the policy only monitors'],
  ] as const) {
    assert.equal(describeBackstop(policy, entries), `Warning: the backstop drops nothing: ${reason}.\n`);
  }
});
