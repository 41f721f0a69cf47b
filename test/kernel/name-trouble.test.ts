/** What becomes of names when something is wrong: each trouble has an outcome, and what counts or tells it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { before, describe, test } from 'node:test';
import { KnownAddress, KnownKey, NameCounter } from '../../bpf/wire.ts';
import { slotsOf } from '../../enforcer/name/known-address.ts';
import { formatAddress } from '../../policy/value/address.ts';
import { MOST_TTL } from '../../profiler/name/message.ts';
import { addressOf, allow, bed, counted, FAR, now, reach, visit, WANTED, WITHIN } from './name/bed.ts';

const RESOLV_CONF = '/etc/resolv.conf';
/** Answers that fill the ring for the daemon: each takes more than 2,048 bytes of 4 MB. */
const FLOOD = 2200;

/** The seconds from now to the end of the TTL of what is known by an address. */
function secondsLeft(address: string): number {
  const low = address.split('.').reduce((sum, part) => (sum << 8n) | BigInt(part), 0xffffn);
  const key = [...bed.names.known.keys()].find((each) => each.readBigUInt64LE(KnownKey.offset.low) === low)!;
  const [slot] = slotsOf(Buffer.from(bed.names.known.get(key)!));
  return slot!.end - now();
}

/** Asks one resolver for a new name, and says whether its address can be reached then. */
async function reachBy(resolver: string, name: string): Promise<unknown> {
  assert.equal(await bed.client.does('ask', [name, resolver]), 'done');
  return reach(addressOf(name));
}

describe('an answer', () => {
  test('whose TTL has the highest bit set counts for no time, and none for more than a day', async () => {
    allow(`{ name: ["*.long.test"], ${WITHIN}, keep: 0s }`);
    assert.equal(await visit('ttl2147483648.long.test'), 'done');
    assert.equal(await visit('ttl2147483647.long.test'), 'done');
    const left = [2_147_483_648, 2_147_483_647].map((ttl) => secondsLeft(addressOf(`ttl${ttl}.long.test`)));
    assert(left[0]! <= 1, `${left[0]}`);
    assert(left[1]! <= MOST_TTL && left[1]! > MOST_TTL - 600, `${left[1]}`);
  });

  test('to a name of more than 253 bytes counts for nothing', async () => {
    allow(`{ name: ["*"], ${WITHIN} }`);
    const before = counted(NameCounter.unaskedAnswer);
    for (const last of [62, 63]) {
      const name = [63, 63, 63, last].map((length) => 'x'.repeat(length)).join('.');
      assert.equal(await bed.client.does('ask', [name, '127.0.0.1']), 'done');
      assert.equal(await reach(WANTED), 'denied', `${name.length} bytes`);
    }
    bed.recorder.drain();
    assert.deepEqual(
      bed.written.answers.filter(({ question }) => question.startsWith('xxx')),
      [],
    );
    assert(counted(NameCounter.unaskedAnswer) > before, 'the longest one is not even a query');
  });

  test('of a flood is known for verdicts, and those that the daemon missed are a counted loss', async () => {
    allow(`{ name: ["*.flood.test"], ${WITHIN} }`);
    const before = counted(NameCounter.lostAnswer);
    assert.equal(await bed.client.does('flood', ['many45', 'flood.test', FLOOD, '127.0.0.1']), 'done');
    assert.equal(await bed.client.does('ask', ['many46.flood.test', '127.0.0.1']), 'done');
    assert.equal(await bed.client.does('reach', ['10.200.46.45']), 'done');
    const lost = counted(NameCounter.lostAnswer) - before;
    assert(lost > 0);
    bed.recorder.drain();
    bed.recorder.flush();
    const told = bed.written.losses.filter(([kind]) => kind === 'answer').reduce((sum, [, n]) => sum + n, 0);
    assert(told >= lost, `${told} of ${lost}`);
    // What comes after it is heard again.
    assert.equal(await visit('after.flood.test'), 'done');
    bed.recorder.drain();
    assert.equal(bed.written.answers.at(-1)!.question, 'after.flood.test');
  });
});

let original: Buffer;
before(() => {
  original = readFileSync(RESOLV_CONF);
});

function put(text: string): void {
  writeFileSync(`${RESOLV_CONF}.new`, text);
  renameSync(`${RESOLV_CONF}.new`, RESOLV_CONF);
  bed.table.look();
}

function restore(): void {
  rmSync(RESOLV_CONF, { force: true });
  writeFileSync(RESOLV_CONF, original);
  bed.table.look();
}

function unheld(): string[] {
  return bed.table.unheld.map(({ address }) => formatAddress(address));
}

describe('the resolvers of this host', () => {
  test('change: the new one is believed, the old one no more, and what it said before stays', async (t) => {
    t.after(restore);
    allow(`{ name: ["*.change.test"], ${WITHIN} }`);
    assert.equal(await reachBy('127.0.0.1', 'one.change.test'), 'done');
    assert.equal(await reachBy('127.0.0.2', 'two.change.test'), 'denied');
    put('nameserver 127.0.0.2\n');
    const before = counted(NameCounter.unlistedAnswer);
    assert.equal(await reachBy('127.0.0.1', 'three.change.test'), 'denied');
    assert.equal(counted(NameCounter.unlistedAnswer), before + 1);
    assert.equal(await reachBy('127.0.0.2', 'four.change.test'), 'done');
    assert.equal(await reach(addressOf('one.change.test')), 'done');
  });

  test('are those of the file that resolv.conf is a link to, also of another one later', async (t) => {
    const files = ['/run/resolv-one', '/run/resolv-two'];
    t.after(() => {
      restore();
      for (const file of files) rmSync(file, { force: true });
    });
    allow(`{ name: ["*.link.test"], ${WITHIN} }`);
    for (const [at, file] of files.entries()) {
      writeFileSync(file, `nameserver 127.0.0.${2 - at}\n`);
      rmSync(RESOLV_CONF);
      symlinkSync(file, RESOLV_CONF);
      bed.table.look();
      assert.equal(await reachBy(`127.0.0.${2 - at}`, `listed${at}.link.test`), 'done');
      assert.equal(await reachBy(`127.0.0.${1 + at}`, `other${at}.link.test`), 'denied');
    }
    writeFileSync(files[1]!, 'nameserver 127.0.0.2\n');
    bed.table.look();
    assert.equal(await reachBy('127.0.0.2', 'written.link.test'), 'done', 'behind the link it is written');
  });

  test('are at 127.0.0.1 and ::1 where resolv.conf is empty, and where there is none', async (t) => {
    t.after(restore);
    allow(`{ name: ["*.empty.test"], ${WITHIN} }`);
    for (const which of ['empty', 'gone']) {
      put('nameserver 127.0.0.2\n');
      if (which === 'empty') put('');
      else rmSync(RESOLV_CONF);
      bed.table.look();
      assert.equal(await reachBy('127.0.0.1', `near.${which}.empty.test`), 'done');
      assert.equal(await reachBy('127.0.0.2', `other.${which}.empty.test`), 'denied');
    }
    assert.deepEqual(unheld(), ['::1'], 'of which nobody holds port 53');
  });

  test('are none: nothing new is allowed, and what was known before is', async (t) => {
    t.after(restore);
    allow(`{ name: ["*.none.test"], ${WITHIN} }`);
    assert.equal(await reachBy('127.0.0.1', 'before.none.test'), 'done');
    put(`nameserver 127.0.0.77\nnameserver ${FAR}\n`);
    assert.deepEqual(unheld(), ['127.0.0.77']);
    assert.equal(await reachBy('127.0.0.1', 'after.none.test'), 'denied');
    assert.equal(await reach(addressOf('before.none.test')), 'done');
  });
});

function setClock(seconds: number): void {
  assert.equal(spawnSync('date', ['-s', `@${Math.round(seconds)}`]).status, 0);
}

describe('time', () => {
  test('on the wall is set back and forth by a year, and names go on', async (t) => {
    const [wall, passed] = [Date.now() / 1000, performance.now()];
    const right = (): number => wall + (performance.now() - passed) / 1000;
    t.after(() => setClock(right()));
    allow(`{ name: ["*.clock.test"], ${WITHIN}, keep: 0s }`);
    for (const year of [-1, 1, 0]) {
      assert.equal(await visit(`before${year}.clock.test`), 'done');
      setClock(right() + year * 365 * 86_400);
      assert.equal(await reach(addressOf(`before${year}.clock.test`)), 'done');
      assert.equal(await visit(`after${year}.clock.test`), 'done');
      const left = secondsLeft(addressOf(`after${year}.clock.test`));
      assert(left > 30 && left <= 60, `${left}`);
    }
  });

  test('asleep counts: what has ended meanwhile is denied until it is asked for again', async () => {
    allow(`{ name: ["*.sleep.test"], ${WITHIN}, keep: 0s }`);
    assert.equal(await visit('one.sleep.test'), 'done');
    bed.recorder.drain();
    // What 90 seconds asleep do to the clock of boot: every end lies so much earlier by it. The guest can't sleep.
    for (const key of bed.names.known.keys()) {
      const value = Buffer.from(bed.names.known.get(key)!);
      const at = KnownAddress.offset.slot;
      value.writeUInt32LE(Math.max(1, value.readUInt32LE(at) - 90), at);
      bed.names.known.set(key, value);
    }
    assert.equal(await bed.client.does('reach', [addressOf('one.sleep.test')]), 'denied');
    assert.equal(await visit('one.sleep.test'), 'done');
  });
});
