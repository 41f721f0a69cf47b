import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HangUp } from '../../../daemon/hang-up.ts';

test('SIGHUP is that of the terminal when this has gone, and for a moment after it: then somebody has sent it', () => {
  let terminal = 34_816;
  const hangUp = new HangUp(() => terminal);
  assert.equal(hangUp.came(0), false, 'kill -HUP from that terminal');
  terminal = 0;
  assert.equal(hangUp.came(1000), true, 'of the kernel');
  assert.equal(hangUp.came(1500), true, 'of the shell');
  assert.equal(hangUp.came(60_000), false, 'kill -HUP from elsewhere');
});

test('without a terminal from the start every SIGHUP was sent by somebody', () => {
  assert.equal(new HangUp(() => 0).came(1000), false);
});
