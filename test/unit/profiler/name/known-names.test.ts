import assert from 'node:assert/strict';
import test from 'node:test';
import { parseAddress } from '../../../../policy/value/address.ts';
import { Known } from '../../../../profiler/event/columns.ts';
import type { Asker } from '../../../../profiler/name/answer.ts';
import { KnownNames } from '../../../../profiler/name/known-names.ts';

const HOST = 100;
const asker = (pid: number, cgroup = 1n, networkNamespace = HOST): Asker => ({
  pid,
  started: BigInt(pid) * 10n,
  cgroup,
  networkNamespace,
});
const ADDRESS = parseAddress('192.0.2.1')!;

function told(names: KnownNames, who: Asker, question: string, time: number, ttl = 60): void {
  names.learn(who, { question, chain: [], addresses: [{ ...ADDRESS, ttl }] }, time);
}

test('what a process asked itself comes before what its cgroup asked, and that before all others', () => {
  const names = new KnownNames();
  told(names, asker(3, 9n), 'other.example', 0, 500);
  told(names, asker(2, 1n), 'neighbour.example', 0, 300);
  told(names, asker(1, 1n), 'own.example', 0, 100);
  const all = ['own.example', 'neighbour.example', 'other.example'];
  assert.deepEqual(names.find(asker(1), ADDRESS, 10), { names: all, by: Known.self, end: 100, until: 3700 });
  assert.equal(names.find(asker(4, 1n), ADDRESS, 10)!.by, Known.cgroup);
  assert.equal(names.find(asker(4, 5n), ADDRESS, 10)!.by, Known.host);
  // Another process that got its number.
  assert.equal(names.find({ ...asker(1, 5n), started: 7n }, ADDRESS, 10)!.by, Known.host);
});

test('what is known in one network namespace says nothing in another', () => {
  const names = new KnownNames();
  told(names, asker(1, 1n, 200), 'forged.example', 0);
  assert.equal(names.find(asker(2), ADDRESS, 1), undefined);
  assert.equal(names.find(asker(2, 1n, 200), ADDRESS, 1)!.names[0], 'forged.example');
});

test('what nobody is believed is told apart, and stands beside nothing that somebody is', () => {
  const names = new KnownNames();
  const answer = (question: string) => ({ question, chain: [], addresses: [{ ...ADDRESS, ttl: 60 }] });
  names.learn(asker(1), answer('said.example'), 0, false);
  assert.deepEqual([...names.facts()], []);
  const said = names.find(asker(1), ADDRESS, 1)!;
  assert.deepEqual([said.names, said.by], [['said.example'], Known.unbelieved]);
  names.learn(asker(2, 2n), answer('known.example'), 0);
  const known = names.find(asker(1), ADDRESS, 1)!;
  assert.deepEqual([known.names, known.by], [['known.example'], Known.host]);
  names.learn(asker(1), answer('said.example'), 0);
  assert.deepEqual(names.find(asker(1), ADDRESS, 1)!.names, ['said.example', 'known.example']);
  assert.deepEqual(
    [...names.facts()].map(({ name }) => name),
    ['known.example', 'said.example'],
  );
});

const leading = (question: string, target: string, chainTtl: number) => ({
  question,
  chain: [target],
  chainTtl,
  addresses: [],
});

test('a name that led to another one without addresses has those that are answered for the other one', () => {
  const names = new KnownNames();
  names.learn(asker(1), leading('api.example', 'edge.example', 60), 0);
  names.learn(asker(1), leading('edge.example', 'near.example', 0), 1);
  const answer = (question: string) => ({ question, chain: [], addresses: [{ ...ADDRESS, ttl: 10 }] });
  assert.deepEqual(names.learn(asker(1), answer('near.example'), 2), [
    'near.example',
    'edge.example',
    'api.example',
  ]);
  assert.deepEqual(names.find(asker(1), ADDRESS, 3)!.names.toSorted(), [
    'api.example',
    'edge.example',
    'near.example',
  ]);
  assert.deepEqual(names.learn(asker(1), answer('near.example'), 31), [
    'near.example',
    'edge.example',
    'api.example',
  ]);
  assert.deepEqual(
    names.learn(asker(1), answer('near.example'), 32),
    ['near.example'],
    '30 seconds at least',
  );
  assert.deepEqual(names.learn(asker(1), answer('edge.example'), 60), ['edge.example', 'api.example']);
  assert.deepEqual(names.learn(asker(1), answer('edge.example'), 61), ['edge.example']);
});

test('nothing leads to another name by an answer that nobody believes, or in another network namespace', () => {
  const names = new KnownNames();
  const answer = { question: 'edge.example', chain: [], addresses: [{ ...ADDRESS, ttl: 10 }] };
  names.learn(asker(1), leading('api.example', 'edge.example', 60), 0, false);
  names.learn(asker(1, 1n, 200), leading('api.example', 'edge.example', 60), 0);
  assert.deepEqual(names.learn(asker(1), answer, 1), ['edge.example']);
  assert.deepEqual(names.learn(asker(1, 1n, 200), answer, 1), ['edge.example', 'api.example']);
  names.forget(new Set([200]));
  assert.deepEqual(names.learn(asker(1, 1n, 200), answer, 1), ['edge.example']);
});

test('of a network namespace that ended nothing is known', () => {
  const names = new KnownNames();
  for (const namespace of [200, 201, 20]) told(names, asker(1, 1n, namespace), `n${namespace}.example`, 0);
  names.forget(new Set([200, 201]));
  assert.equal(names.find(asker(1, 1n, 200), ADDRESS, 1), undefined);
  assert.deepEqual(names.find(asker(1, 1n, 20), ADDRESS, 1)!.names, ['n20.example']);
});

test('an old name counts where there is no younger one, and not for ever', () => {
  const names = new KnownNames();
  told(names, asker(1), 'old.example', 0);
  assert.deepEqual(names.find(asker(1), ADDRESS, 100_000)!.names, ['old.example']);
  told(names, asker(2, 2n), 'young.example', 100_000);
  assert.deepEqual(names.find(asker(1), ADDRESS, 100_001)!.names, ['young.example']);
  assert.equal(names.find(asker(1), ADDRESS, 100_061 + 8 * 86_400), undefined);
});

test('a later answer with a shorter time does not cut an earlier one', () => {
  const names = new KnownNames();
  told(names, asker(1), 'a.example', 0, 1000);
  told(names, asker(1), 'a.example', 10, 5);
  assert.equal(names.find(asker(1), ADDRESS, 20)!.end, 1000);
});

test('many names of an address, and many askers of a name, push out the oldest', () => {
  const names = new KnownNames();
  for (let at = 0; at < 100; at++) told(names, asker(at, 3n), `n${at}.example`, 0);
  assert.equal(names.find(asker(0, 4n), ADDRESS, 1)!.names.length, 8);
  assert.equal(names.find(asker(0, 4n), ADDRESS, 1)!.by, Known.host);
  assert.deepEqual(names.find(asker(99), ADDRESS, 1)!.names[0], 'n99.example');
  for (let at = 0; at < 100; at++) told(names, asker(at, 3n), 'one.example', 0);
  assert.equal(names.find(asker(10, 4n), ADDRESS, 1)!.by, Known.host);
  assert.equal(names.find(asker(90, 4n), ADDRESS, 1)!.by, Known.self);
});
