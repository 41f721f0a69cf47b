import assert from 'node:assert/strict';
import test from 'node:test';
import { connectionsOf, describeApart, describeDenials } from '../../../../cli/report/recorder-messages.ts';
import { noCounters } from '../../../../profiler/record/recording.ts';

test('an intent is no connection, and is said apart', () => {
  const counters = { ...noCounters(), events: 633_110, intents: 211_010, sockets: 2 };
  assert.equal(connectionsOf(counters), 422_098);
  assert.equal(
    describeApart(counters),
    'Besides: 211,010 intents (UDP connects, which send nothing), 2 openings of sockets without a destination.\n',
  );
  assert.equal(describeApart({ ...noCounters(), events: 7 }), '');
});

test('the end of enforce says how many attempts were denied, and what did not happen in its mode', () => {
  assert.equal(describeDenials({ denied: 0, wouldBeDenied: 0 }, 'block'), 'Denied: 0 attempts.\n');
  assert.equal(
    describeDenials({ denied: 1204, wouldBeDenied: 1 }, 'block'),
    'Denied: 1,204 attempts.\nWould have been denied: 1 attempt.\n',
  );
  assert.equal(
    describeDenials({ denied: 0, wouldBeDenied: 0 }, 'monitor'),
    'Would have been denied: 0 attempts.\n',
  );
});
