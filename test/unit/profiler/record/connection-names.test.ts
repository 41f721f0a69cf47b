import assert from 'node:assert/strict';
import test from 'node:test';
import { encode, type Answer } from 'dns-packet';
import { AnswerFlag, LONG_MESSAGE, NAME_COUNTERS } from '../../../../bpf/wire.ts';
import { visibleNamespace } from '../../../../host/namespace.ts';
import type { NameFact } from '../../../../profiler/name/known-names.ts';
import { Resolvers } from '../../../../profiler/name/resolvers.ts';
import { parseAddress } from '../../../../policy/value/address.ts';
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

test('what the kernel side believes is reported for verdicts, and what is doubted is not recorded either', () => {
  const { recorder, written } = recording();
  const answers = new FakeRing();
  const resolvers = new Resolvers([]);
  resolvers.wanted = [parseAddress('192.0.2.53')!];
  const source = { answers: answers.ring, counters: () => Array.from({ length: NAME_COUNTERS }, () => 0) };
  const names = recorder.readNames(source, resolvers);
  const learnt: NameFact[] = [];
  names.learnt = (fact) => learnt.push(fact);
  const host = visibleNamespace('net');
  for (const [name, flags] of [
    ['trusted.example', AnswerFlag.trusted],
    ['unheld.example', 0],
    ['doubted.example', AnswerFlag.doubted],
  ] as const) {
    const answer: Answer = { type: 'A', name, data: '192.0.2.7', ttl: 60 };
    const message = encode({ type: 'response', id: 1, questions: [{ type: 'A', name }], answers: [answer] });
    answers.answer(message, { network_namespace: host, flags, resolver: [192, 0, 2, 53] });
  }
  recorder.drain();
  recorder.flush();
  assert.deepEqual(
    learnt.map(({ name }) => name),
    ['trusted.example'],
  );
  assert.deepEqual(
    [...names.facts()].map(({ name }) => name),
    ['trusted.example'],
  );
  names.know([{ name: 'file.example', address: parseAddress('192.0.2.8')!, end: 1000 }]);
  assert.deepEqual(learnt.at(-1), {
    networkNamespace: host,
    address: parseAddress('192.0.2.8'),
    name: 'file.example',
    end: 1000,
  });
  assert.deepEqual(
    written.answers.map(({ question }) => question),
    ['trusted.example', 'unheld.example'],
  );
});

/** An answer of so many addresses. */
function answerOf(name: string, count: number): Buffer {
  const records = Array.from({ length: count }, (_, at): Answer => ({
    type: 'A',
    name,
    data: `192.0.2.${at}`,
    ttl: 60,
  }));
  return encode({ type: 'response', id: 1, questions: [{ type: 'A', name }], answers: records });
}

test('of an answer that is cut counts what comes before, and that is a loss; of one that was too long nothing', () => {
  const { recorder, written } = recording();
  const answers = new FakeRing();
  const source = { answers: answers.ring, counters: () => Array.from({ length: NAME_COUNTERS }, () => 0) };
  const names = recorder.readNames(source);
  const where = { network_namespace: NAMESPACE, flags: AnswerFlag.trusted };
  const [whole, cut, long] = [
    answerOf('whole.example', 2),
    answerOf('cut.example', 2),
    answerOf('long.example', 80),
  ];
  assert.ok(long.length > LONG_MESSAGE);
  for (const each of [whole, cut.subarray(0, -1), long.subarray(0, LONG_MESSAGE)])
    answers.answer(each, where);
  recorder.drain();
  recorder.flush();
  assert.deepEqual(
    [...names.facts()]
      .map(({ name }) => name)
      .sort()
      .reverse(),
    ['whole.example', 'whole.example', 'cut.example'],
  );
  assert.deepEqual(written.losses, [['answer', 1]]);
});
