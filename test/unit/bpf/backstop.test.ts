/** The backstop's program on made-up packets, run by the kernel without being attached anywhere. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import fc from '../../arbitrary/fast-check.ts';
import { SystemError } from '../../../bpf/libbpf.ts';
import { applyPolicy } from '../../../enforcer/apply.ts';
import { compilePolicy } from '../../../enforcer/compile.ts';
import { canonicalAddress, parseLiteral } from '../../../policy/value/address.ts';
import { containsAddress } from '../../../policy/value/cidr.ts';
import { destinationOf } from '../../../policy/meaning/evaluate.ts';
import { parsePolicy } from '../../../policy/file/parse.ts';
import { blocksSome, monitorsSome } from '../../../policy/meaning/mode.ts';
import type { Box, Policy } from '../../../policy/meaning/policy.ts';
import { writtenPolicy } from '../../arbitrary/policy.ts';
import { NAMELESS, WORLD } from '../../arbitrary/world.ts';
import { BackstopProgram } from './backstop-program.ts';

const POLICIES = 150;
const PACKETS_EACH = 60;
const ETHERNET = 14;
const IPV4 = 0x0800;
const IPV6 = 0x86dd;

interface Packet {
  /** As in the header: a mapped address stays one of IPv6. */
  to: string;
  /** Of the header in IPv4: 20 to 60 bytes. */
  header: number;
  protocol: number;
  /** In units of 8 bytes; with `more`, a part of a larger packet. */
  fragment: number;
  more: boolean;
  payload: number;
}

const packet: fc.Arbitrary<Packet> = fc.record({
  to: fc.constantFrom(...WORLD.addresses),
  header: fc.integer({ min: 5, max: 15 }).map((words) => words * 4),
  protocol: fc.constantFrom(0, ...WORLD.protocols),
  fragment: fc.constantFrom(0, 0, 1, 185, 8191),
  more: fc.boolean(),
  payload: fc.constantFrom(0, 1, 8, 20, 1480),
});

function bytesOf(text: string): Buffer {
  const { family, value } = parseLiteral(text)!;
  return Buffer.from(value.toString(16).padStart(family === 4 ? 8 : 32, '0'), 'hex');
}

function frameOf({ to, header, protocol, fragment, more, payload }: Packet): Buffer {
  const address = bytesOf(to);
  const four = address.length === 4;
  const length = four ? header : 40;
  const frame = Buffer.alloc(ETHERNET + length + payload, 0xa5);
  frame.writeUInt16BE(four ? IPV4 : IPV6, 12);
  const ip = frame.subarray(ETHERNET);
  if (four) {
    ip.writeUInt8(0x40 | (header / 4), 0);
    ip.writeUInt16BE(length + payload, 2);
    ip.writeUInt16BE((more ? 0x2000 : 0) | fragment, 6);
    ip.writeUInt8(protocol, 9);
    address.copy(ip, 16);
  } else {
    ip.writeUInt8(0x60, 0);
    ip.writeUInt16BE(payload, 4);
    ip.writeUInt8(more ? 44 : protocol, 6);
    address.copy(ip, 24);
  }
  return frame;
}

/** Denied to everybody, whatever the port and the protocol: all that a packet can be judged by. */
function deniesEverybody({ action, from, to }: Box): boolean {
  const anybody = Object.values(from).every((values) => values === undefined);
  return action === 'deny' && anybody && !to.sockets && !to.ports && !to.protocols;
}

/** Most random denials name a subject, and many policies only monitor: here fewer do. */
function often(policy: Policy, index: number): Policy {
  if (index % 4 === 0) return policy;
  const { modes: _modes, ...rest } = policy;
  const boxes = policy.boxes.map((box, at) => (at % 2 === 0 ? { ...box, from: {} } : box));
  return { ...rest, mode: 'block', target: 'host', boxes };
}

function isStopped(policy: Policy, to: string): boolean {
  const { boxes, target } = policy;
  const address = destinationOf(canonicalAddress(parseLiteral(to)!));
  return (
    blocksSome(policy) &&
    !monitorsSome(policy) &&
    target === 'host' &&
    boxes.some(
      (box) =>
        deniesEverybody(box) && (box.to.prefixes?.some((prefix) => containsAddress(prefix, address)) ?? true),
    )
  );
}

/** The loaded program; or nothing where this user may not load it, with the reason as that of the skip. */
function loaded(t: TestContext, name: 'backstop' | 'source_route' = 'backstop'): BackstopProgram | undefined {
  try {
    const program = new BackstopProgram(name);
    t.after(() => program[Symbol.dispose]());
    return program;
  } catch (error) {
    if (!(error instanceof SystemError) || !/EPERM|EACCES/.test(error.message)) throw error;
    t.skip(`the kernel does not let this user load BPF programs (${error.message})`);
    return undefined;
  }
}

function putInForce(program: BackstopProgram, policy: Policy): void {
  const { mode, modes, target } = policy;
  const compiled = compilePolicy(policy, () => undefined);
  applyPolicy(program.egress, compiled, { mode, modes, target, record: false, cgroups: [] });
}

test('the backstop drops just the packets to addresses that a policy denies to everybody', (t) => {
  const program = loaded(t);
  if (!program) return;
  // A policy is for one host before it is compiled.
  const policies = fc.sample(writtenPolicy({ ...NAMELESS, hosts: [] }), { numRuns: POLICIES, seed: 7 });
  const packets = fc.sample(packet, { numRuns: POLICIES * PACKETS_EACH, seed: 7 });
  let stopped = 0;
  for (const [index, { policy: written, text }] of policies.entries()) {
    const policy = often(written, index);
    putInForce(program, policy);
    for (const each of packets.slice(index * PACKETS_EACH, (index + 1) * PACKETS_EACH)) {
      const expected = isStopped(policy, each.to);
      assert.equal(program.stops(frameOf(each)), expected, `${JSON.stringify(each)} under ${text}`);
      if (expected) stopped += 1;
    }
  }
  assert(stopped > packets.length / 20, `only ${stopped} of ${packets.length} were stopped`);
  t.diagnostic(`${packets.length} packets, ${stopped} of them dropped`);
});

const DENIED = parsePolicy(
  `version: 2
network:
  mode: block
  deny: [{ to: [{ cidr: [203.0.113.7, "2001:db8::1"] }] }]
  allow: [{ to: [{}] }]
`,
  'test',
).policy!;

const plain = (to: string): Buffer =>
  frameOf({ to, header: 20, protocol: 17, fragment: 0, more: false, payload: 32 });

test('a packet is read as what the kernel sends it as, whatever its first byte says', (t) => {
  const program = loaded(t);
  if (!program) return;
  putInForce(program, DENIED);
  for (let version = 0; version < 16; version += 1) {
    for (const [to, stopped] of [
      ['203.0.113.7', true],
      ['203.0.113.8', false],
      ['2001:db8::1', true],
      ['2001:db8::2', false],
    ] as const) {
      const frame = plain(to);
      frame.writeUInt8((version << 4) | 5, ETHERNET);
      assert.equal(program.stops(frame), stopped, `version ${version} to ${to}`);
    }
  }
});

test('a packet that ends before its destination does is not taken for one to anywhere', (t) => {
  const program = loaded(t);
  if (!program) return;
  putInForce(program, DENIED);
  for (const [to, least] of [
    ['203.0.113.7', 20],
    ['2001:db8::1', 40],
  ] as const) {
    const frame = plain(to);
    for (let length = 1; length <= least + 1; length += 1) {
      const stopped = stopsPart(program, frame.subarray(0, ETHERNET + length));
      assert.equal(stopped, length >= least, `${to}, ${length} bytes`);
    }
  }
});

/** Newer kernels refuse to run a program on less than a header, as they refuse to send it. */
function stopsPart(program: BackstopProgram, frame: Uint8Array): boolean {
  try {
    return program.stops(frame);
  } catch (error) {
    if (error instanceof SystemError && error.message.endsWith('EINVAL')) return false;
    throw error;
  }
}

const EVIL4 = '203.0.113.7';
const FINE4 = '203.0.113.8';
const EVIL6 = '2001:db8::1';
const FINE6 = '2001:db8::2';

/** An IPv4 packet with these options, padded. */
function withOptions(to: string, ...options: readonly (readonly number[])[]): Buffer {
  const bytes = options.flat();
  const header = 20 + Math.ceil(bytes.length / 4) * 4;
  const frame = frameOf({ to, header, protocol: 17, fragment: 0, more: false, payload: 32 });
  frame.fill(0, ETHERNET + 20, ETHERNET + header);
  frame.set(bytes, ETHERNET + 20);
  return frame;
}

/** An option of IPv4 that goes by way of an address. */
function via4(type: number, ...hops: readonly string[]): number[] {
  return [type, 3 + 4 * hops.length, 4, ...Buffer.concat(hops.map((hop) => bytesOf(hop)))];
}

interface Header {
  type: number;
  /** From the second byte on: the first is the type of the next header. */
  rest: readonly number[];
}

/** An IPv6 packet with these headers before its payload. */
function withHeaders(to: string, ...headers: readonly Header[]): Buffer {
  const bytes = headers.flatMap(({ rest }, index) => [headers[index + 1]?.type ?? 17, ...rest]);
  const frame = frameOf({
    to,
    header: 40,
    protocol: headers[0]?.type ?? 17,
    fragment: 0,
    more: false,
    payload: bytes.length + 32,
  });
  frame.set(bytes, ETHERNET + 40);
  return frame;
}

/** A routing header. */
function via6(type: number, left: number, ...hops: readonly string[]): Header {
  return {
    type: 43,
    rest: [2 * hops.length, type, left, 0, 0, 0, 0, ...Buffer.concat(hops.map((hop) => bytesOf(hop)))],
  };
}

const padded = (type: number, units = 0): Header => ({
  type,
  rest: [units, 1, 4 + 8 * units, ...Array.from({ length: 4 + 8 * units }, () => 0)],
});
const fragment = (offset: number): Header => ({
  type: 44,
  rest: [0, offset >> 5, (offset << 3) & 0xff, 0, 0, 0, 1],
});

const NOTHING = [1];
const STAMP = [68, 8, 5, 0, 0, 0, 0, 0];

/** Packets, by what they are: whether they bear a route, and whether it leads by a denied address. */
const ROUTED: readonly (readonly [what: string, frame: Buffer, routed: boolean, evil: boolean])[] = [
  ['no options', plain(FINE4), false, false],
  ['other options', withOptions(FINE4, NOTHING, STAMP, NOTHING), false, false],
  ['a loose route', withOptions(FINE4, via4(131, EVIL4)), true, true],
  ['a strict route', withOptions(FINE4, via4(137, FINE4)), true, false],
  ['a route to it', withOptions(EVIL4, via4(131, FINE4)), true, true],
  [
    'a route behind others',
    withOptions(FINE4, NOTHING, STAMP, NOTHING, via4(131, FINE4, FINE4, EVIL4)),
    true,
    true,
  ],
  [
    'a route of nine hops',
    withOptions(FINE4, via4(131, ...Array.from({ length: 8 }, () => FINE4), EVIL4)),
    true,
    true,
  ],
  ['what stands behind the end', withOptions(FINE4, [0], via4(131, EVIL4)), false, false],
  ['no header', plain(FINE6), false, false],
  ['other headers', withHeaders(FINE6, padded(0), padded(60, 3)), false, false],
  ['a routing header', withHeaders(FINE6, via6(2, 1, EVIL6)), true, true],
  ['one to it', withHeaders(EVIL6, via6(2, 1, FINE6)), true, true],
  ['one elsewhere', withHeaders(FINE6, via6(2, 1, FINE6)), true, false],
  ['one that is used up', withHeaders(FINE6, via6(2, 0, EVIL6)), false, false],
  ['segments', withHeaders(FINE6, via6(4, 1, FINE6, EVIL6)), true, true],
  ['a header of type 0', withHeaders(FINE6, via6(0, 2, FINE6, EVIL6, FINE6)), true, true],
  ['one behind options', withHeaders(FINE6, padded(0, 2), padded(60), via6(3, 1, EVIL6)), true, true],
  ['one behind long options', withHeaders(FINE6, padded(0, 20), via6(2, 1, EVIL6)), true, true],
  ['one in a first fragment', withHeaders(FINE6, fragment(0), via6(2, 1, EVIL6)), true, true],
  ['what looks so in a later one', withHeaders(FINE6, fragment(100), via6(2, 1, EVIL6)), false, false],
  [
    'one behind six',
    withHeaders(FINE6, ...Array.from({ length: 6 }, () => padded(60)), via6(2, 1, FINE6)),
    true,
    true,
  ],
];

test('packets with a source route are dropped where no rule lets anybody use one', (t) => {
  const program = loaded(t, 'source_route');
  if (!program) return;
  putInForce(program, DENIED);
  for (const [what, frame, routed] of ROUTED) assert.equal(program.stops(frame), routed, what);
  putInForce(program, { ...DENIED, mode: 'monitor' });
  for (const [what, frame] of ROUTED) assert.equal(program.stops(frame), false, `${what}, monitored`);
  putInForce(program, { ...DENIED, target: 'container' });
  for (const [what, frame] of ROUTED) assert.equal(program.stops(frame), false, `${what}, of a container`);
});

test('where a rule lets somebody use one, those by an address that is denied to everybody are dropped', (t) => {
  const program = loaded(t, 'source_route');
  if (!program) return;
  const allowed = {
    action: 'allow',
    from: { uid: [7] },
    to: { sockets: ['source-route'] },
  } as unknown as Box;
  putInForce(program, { ...DENIED, boxes: [...DENIED.boxes, allowed] });
  for (const [what, frame, , evil] of ROUTED) assert.equal(program.stops(frame), evil, what);
  const forbidden = { action: 'deny', from: {}, to: { sockets: ['source-route'] } } as unknown as Box;
  putInForce(program, { ...DENIED, boxes: [forbidden, ...DENIED.boxes, allowed] });
  for (const [what, frame, routed] of ROUTED)
    assert.equal(program.stops(frame), routed, `${what}, forbidden`);
});

/** A rule that lets a user route by the source until a moment, in microseconds since the epoch. */
function routesUntil(until: number): Box {
  return { action: 'allow', name: 'ends', from: { uid: [7] }, to: { sockets: ['source-route'] }, until };
}

test('when the last rule that lets somebody use one has ended, all of them are dropped', (t) => {
  const program = loaded(t, 'source_route');
  if (!program) return;
  const now = Date.now() * 1000;
  const hour = 3_600_000_000;
  putInForce(program, {
    ...DENIED,
    boxes: [...DENIED.boxes, routesUntil(now - hour), routesUntil(now + hour)],
  });
  for (const [what, frame, , evil] of ROUTED) assert.equal(program.stops(frame), evil, what);
  putInForce(program, {
    ...DENIED,
    boxes: [...DENIED.boxes, routesUntil(now - hour), routesUntil(now - 2 * hour)],
  });
  for (const [what, frame, routed] of ROUTED) assert.equal(program.stops(frame), routed, `${what}, ended`);
  // Nobody but the kernel looks at the clock.
  putInForce(program, { ...DENIED, boxes: [...DENIED.boxes, routesUntil(Date.now() * 1000 + 500_000)] });
  const elsewhere = ROUTED[3]![1];
  assert.equal(program.stops(elsewhere), false);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 600);
  assert.equal(program.stops(elsewhere), true);
});
