import assert from 'node:assert/strict';
import test from 'node:test';
import { describeDenials } from '../../../../cli/report/recorder-messages.ts';

test('the end of enforce says how many attempts were denied, and what did not happen in its mode', () => {
  assert.equal(describeDenials({ denied: 0, wouldBeDenied: 0 }, { mode: 'block' }), 'Denied: 0 attempts.\n');
  assert.equal(
    describeDenials({ denied: 1204, wouldBeDenied: 1 }, { mode: 'block' }),
    'Denied: 1,204 attempts.\nWould have been denied: 1 attempt.\n',
  );
  assert.equal(
    describeDenials({ denied: 0, wouldBeDenied: 0 }, { mode: 'monitor' }),
    'Would have been denied: 0 attempts.\n',
  );
});
