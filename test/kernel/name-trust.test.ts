/** Who may say what a name means. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { encode } from 'dns-packet';
import { NameCounter } from '../../bpf/wire.ts';
import { NameClient } from './name-client.ts';
import { allow, bed, counted, FAR, OWN, raw, reach, visit, WANTED, WITHIN } from './name/bed.ts';

/** What a forger does, as user 1000, and the counter that tells of it. */
async function gets(counter: number | undefined, what: string, words: unknown[], named = {}, who = bed.user) {
  allow(`{ name: [bank.test, "*.bank.test"], ${WITHIN} }, { cidr: [127.0.0.0/8, "${OWN}"] }`);
  const before = counter === undefined ? 0 : counted(counter);
  const outcome = await who.does(what, words, named);
  if (counter !== undefined) assert(counted(counter) > before, `counted after ${String(outcome)}`);
  assert.equal(await reach(WANTED), 'denied');
  assert.equal(await reach(WANTED, 80, bed.user), 'denied');
  return outcome;
}

describe('who wants an address for itself gets none', () => {
  test('by a datagram from another port', async () => {
    await gets(undefined, 'forge', ['bank.test', WANTED], {
      source: '127.0.0.3',
      port: 5353,
      asked: 'bank.test',
    });
  });

  test('from what is no resolver of this host', async () => {
    const named = { source: '127.0.0.3', asked: 'bank.test' };
    await gets(NameCounter.unlistedAnswer, 'forge', ['bank.test', WANTED], named);
    await gets(NameCounter.unlistedAnswer, 'ask', ['at-10-66-6-6.bank.test', '127.0.0.2']);
  });

  test('by an answer to another question, and by a second one', async () => {
    const named = { source: '127.0.0.3', asked: 'other.test' };
    await gets(NameCounter.unaskedAnswer, 'forge', ['bank.test', WANTED], named);
    await gets(NameCounter.unaskedAnswer, 'forge', ['bank.test', WANTED], {
      ...named,
      asked: 'bank.test',
      times: 2,
    });
  });
});

describe('who wants an address for a name of others gets none', () => {
  test('by raw packets from the address of a resolver, of whoever may send such', async () => {
    const silent = 'silent.bank.test';
    const ways = [{}, { asked: 'silent.other.test' }, { asked: 'given.bank.test', answered: true }];
    for (const named of ways) {
      allow(`{ name: [${silent}], ${WITHIN} }, { cidr: [127.0.0.0/8] }`, '', 'raw');
      const before = counted(NameCounter.unaskedAnswer);
      assert.equal(
        await bed.client.does('forge_raw', [silent, WANTED], named),
        'done',
        JSON.stringify(named),
      );
      // Of a socket that has never asked for anything nothing is looked at.
      const more = 'asked' in named ? 1 : 0;
      assert.equal(counted(NameCounter.unaskedAnswer), before + more, JSON.stringify(named));
      assert.equal(await reach(WANTED), 'denied');
    }
  });

  test('by an answer for its own name that leads to theirs', async () => {
    allow(`{ name: [bank.test, "*.bank.test"], ${WITHIN} }`);
    raw.message = encode({
      type: 'response',
      flags: 0x0180,
      questions: [{ type: 'A', name: 'raw.evil.test' }],
      answers: [
        { type: 'CNAME', name: 'raw.evil.test', ttl: 60, data: 'www.bank.test' },
        { type: 'A', name: 'www.bank.test', ttl: 60, data: WANTED },
      ],
    });
    assert.equal(await bed.client.does('ask', ['raw.evil.test', '127.0.0.1']), 'done');
    assert.equal(await reach(WANTED), 'denied');
  });

  test('by what stands beside the answer', async () => {
    allow(`{ name: ["*.bank.test"], ${WITHIN} }`);
    const name = 'raw.bank.test';
    const glue = { type: 'A', name, ttl: 60, data: WANTED } as const;
    raw.message = encode({
      type: 'response',
      flags: 0x0180,
      questions: [{ type: 'A', name }],
      answers: [{ ...glue, data: '10.55.5.5' }],
      authorities: [glue],
      additionals: [glue],
    });
    assert.equal(await bed.client.does('ask', [name, '127.0.0.1']), 'done');
    assert.equal(await reach('10.55.5.5'), 'done');
    assert.equal(await reach(WANTED), 'denied');
  });
});

describe('who speaks as a resolver gets none', () => {
  test('by speaking as a resolver of this host: the packet is dropped', async () => {
    const outcome = await gets(NameCounter.impostor, 'pretend', ['silent.bank.test', WANTED]);
    assert.equal(outcome, 'EPERM');
  });

  test('by an address of a resolver elsewhere', async () => {
    await gets(NameCounter.strayedAnswer, 'pretend', ['silent.bank.test', WANTED], {
      resolver: FAR,
      own: OWN,
    });
  });

  test('in a network namespace of its own', async () => {
    const through = [
      'unshare',
      '--user',
      '--map-root-user',
      '--net',
      'sh',
      '-c',
      'ip link set lo up; exec "$@"',
      'sh',
    ];
    await using other = await NameClient.start(
      'setpriv',
      '--reuid=1000',
      '--regid=1000',
      '--clear-groups',
      ...through,
    );
    await gets(NameCounter.foreignAnswer, 'forge', ['bank.test', WANTED], { asked: 'bank.test' }, other);
    assert.equal(await other.does('reach', [WANTED]), 'denied');
  });

  test('by an answer from another resolver than the one that was asked', async () => {
    // Otherwise who speaks as the resolver is dropped.
    bed.verdicts.block = false;
    const before = counted(NameCounter.unaskedAnswer);
    const named = { asked: '127.0.0.2' };
    assert.equal(await bed.user.does('pretend', ['silent.bank.test', WANTED], named), 'done');
    bed.verdicts.block = true;
    assert.equal(counted(NameCounter.unaskedAnswer), before + 1);
    assert.equal(await reach(WANTED), 'denied');
  });

  test('while nothing is blocked it is marked, and the resolver is believed again later', async () => {
    bed.verdicts.block = false;
    const before = counted(NameCounter.doubtedAnswer);
    const outcome = await bed.user.does('pretend', ['silent.bank.test', WANTED]);
    assert.equal(outcome, 'done');
    assert.equal(counted(NameCounter.doubtedAnswer), before + 1);
    bed.verdicts.block = true;
    assert.equal(await reach(WANTED), 'denied');
    await sleep(1100);
    assert.equal(await visit('honest.bank.test'), 'done');
  });
});
