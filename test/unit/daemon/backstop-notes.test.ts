import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeBackstop, describeRoutes } from '../../../daemon/backstop-notes.ts';

const BLOCK = { mode: 'block', target: 'host' } as const;
const MONITOR = { ...BLOCK, mode: 'monitor' } as const;
const CONTAINER = { ...BLOCK, target: 'container' } as const;
const RULES = { entries: 3, closed: false, sourceRoutes: false };

test('enforce --backstop says what it does, or why it does nothing', () => {
  assert.equal(
    describeBackstop(BLOCK, RULES),
    'The backstop drops packets to the addresses of 3 deny entries.\n',
  );
  assert.equal(
    describeBackstop(BLOCK, { ...RULES, closed: true }),
    'The backstop drops packets to the addresses of 3 deny entries, and packets that open a connection to an address that no entry allows to any subject.\n',
  );
  for (const [policy, entries, reason] of [
    [
      BLOCK,
      0,
      'no deny entry of the policy names addresses and nothing else, and every address is allowed to some subject',
    ],
    [CONTAINER, 3, 'the policy is for containers alone, and a packet does not show whose it is'],
    [MONITOR, 3, 'the policy only monitors'],
  ] as const) {
    assert.equal(
      describeBackstop(policy, { ...RULES, entries }),
      `Warning: the backstop drops nothing: ${reason}.\n`,
    );
  }
});

test('enforce says what becomes of packets with a source route', () => {
  assert.match(describeRoutes(BLOCK, RULES), /are dropped: no entry allows source-route/);
  assert.match(
    describeRoutes(BLOCK, { ...RULES, sourceRoutes: true }),
    /are dropped when they go to an address that is denied to all subjects/,
  );
  assert.match(describeRoutes(CONTAINER, RULES), /are not dropped: the policy is for containers alone/);
  assert.equal(describeRoutes(MONITOR, RULES), '');
});
