import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import test from 'node:test';
import { formatPrefix, type Prefix } from '../../../policy/value/cidr.ts';
import { mergePrefixes } from '../../../policy/value/prefix-set.ts';
import { prefixesOf, readData } from '../../bench/generate/data.ts';
import { Random } from '../generator/random.ts';

// Programs of others that merge addresses without loss. The result is unique, so theirs is ours line by line.

const LIMIT = 1 << 28;

/** Sets of IPv4 addresses, one a file. */
const DATA = ['resolvers_extended_ipv4.txt.gz', 'ipsum_ipv4.txt.gz', 'cloud_all_ipv4.cidr.gz'];

const COLLAPSE = `
import ipaddress, sys
for line in sys.stdin:
    print(*ipaddress.collapse_addresses(map(ipaddress.ip_network, line.split())))
`;

/** Why a program cannot be asked; false when it can. */
function missing(program: string): string | false {
  const { error } = spawnSync(program, ['--version']);
  return error === undefined ? false : `${program} is not installed (test/setup installs it)`;
}

/** What iprange prints: single addresses without a length. */
function iprange(text: string): string {
  const { status, stderr, stdout } = spawnSync('iprange', ['-'], {
    input: text,
    encoding: 'utf8',
    maxBuffer: LIMIT,
  });
  assert.equal(status, 0, stderr);
  return stdout;
}

function ours(prefixes: readonly Prefix[]): string {
  return mergePrefixes(prefixes)
    .map((prefix) => `${formatPrefix(prefix).replace(/\/32$/, '')}\n`)
    .join('');
}

/** Prefixes near each other, so that there is something to merge, with the edges of the address space among them. */
function randomPrefixes(random: Random, family: 4 | 6): Prefix[] {
  const bits = family === 4 ? 32 : 128;
  const base = [0n, (1n << BigInt(bits)) - 64n, BigInt(random.below(2 ** 31)) << BigInt(bits - 32)];
  return Array.from({ length: 1 + random.below(60) }, () => {
    const length = random.below(20) === 0 ? random.below(bits + 1) : bits - random.below(6);
    const value = base[random.below(3)]! + BigInt(random.below(64));
    const host = BigInt(bits - length);
    return { family, value: (value >> host) << host, length };
  });
}

test('merging random addresses gives what iprange gives', { skip: missing('iprange') }, () => {
  const random = new Random(20);
  for (let instance = 0; instance < 300; instance++) {
    const prefixes = randomPrefixes(random, 4);
    const text = prefixes.map((prefix) => `${formatPrefix(prefix)}\n`).join('');
    assert.equal(ours(prefixes), iprange(text), text);
  }
});

for (const file of DATA) {
  const text = readData(file);
  const why = missing('iprange') || (text === undefined && 'the data sets are not beside the repository');
  test(`merging ${file} gives what iprange gives`, { skip: why }, () => {
    assert.ok(ours(prefixesOf(text!)) === iprange(text!));
  });
}

test('merging IPv6 gives what ipaddress of Python gives', { skip: missing('python3') }, () => {
  const random = new Random(21);
  const instances = Array.from({ length: 1000 }, () => randomPrefixes(random, 6)).filter((prefixes) =>
    // `::ffff:0:0/96` and what is inside is IPv4 to us.
    prefixes.every(({ length, value }) => length < 96 || value >> 32n !== 0xffffn),
  );
  const input = instances.map((prefixes) => prefixes.map(formatPrefix).join(' ')).join('\n');
  const { status, stderr, stdout } = spawnSync('python3', ['-c', COLLAPSE], { input, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  const theirs = stdout.trimEnd().split('\n');
  assert.equal(theirs.length, instances.length);
  for (const [at, prefixes] of instances.entries()) {
    assert.equal(mergePrefixes(prefixes).map(formatPrefix).join(' '), theirs[at]);
  }
});
