import assert from 'node:assert/strict';
import test from 'node:test';
import { connectionsOf, describeApart } from '../../../format/connection-count.ts';

test('an intent is no connection, and is said apart', () => {
  const counters = { events: 633_110, intents: 211_010, sockets: 2 };
  assert.equal(connectionsOf(counters), 422_098);
  assert.equal(
    describeApart(counters),
    'Besides: 211,010 intents (UDP connects, which send nothing), 2 openings of sockets without a destination.\n',
  );
  assert.equal(describeApart({ events: 7, intents: 0, sockets: 0 }), '');
});
