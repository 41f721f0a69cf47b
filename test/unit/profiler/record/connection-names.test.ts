import assert from 'node:assert/strict';
import test from 'node:test';
import { encode, type Answer } from 'dns-packet';
import { NAME_COUNTERS } from '../../../../bpf/wire.ts';
import { FakeRing } from '../fake-ring.ts';
import { recording } from '../recorder-fixture.ts';

/** A network namespace that is not this host's. */
const NAMESPACE = 7;

test('an IPv6 address that begins with the bytes of an IPv4 address does not get its name', () => {
  const { connections, recorder, written } = recording();
  const answers = new FakeRing();
  recorder.readNames({
    answers: answers.ring,
    counters: () => Array.from({ length: NAME_COUNTERS }, () => 0),
  });
  const answer: Answer = { type: 'A', name: 'api.example', data: '10.0.1.71', ttl: 60 };
  const questions = [{ type: 'A', name: 'api.example' }] as const;
  answers.answer(encode({ type: 'response', id: 1, questions: [...questions], answers: [answer] }), {
    network_namespace: NAMESPACE,
  });
  connections.process({ network_namespace: NAMESPACE });
  connections.connection();
  connections.connection({ family: 6, address: [10, 0, 1, 71] });
  connections.connection();
  recorder.drain();
  recorder.flush();
  assert.deepEqual(written.nameSets, [['api.example']]);
  assert.deepEqual(
    written.events.map(({ names }) => names),
    [1, 0, 1],
  );
});
