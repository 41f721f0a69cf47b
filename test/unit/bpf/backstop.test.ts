/** The backstop's program on made-up packets, run by the kernel without being attached anywhere. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { SystemError } from '../../../bpf/libbpf.ts';
import { applyPolicy } from '../../../enforcer/apply.ts';
import { compilePolicy } from '../../../enforcer/compile.ts';
import { canonicalAddress, parseLiteral } from '../../../policy/address.ts';
import { containsAddress } from '../../../policy/cidr.ts';
import { destinationOf } from '../../../policy/evaluate.ts';
import { parsePolicy } from '../../../policy/parse.ts';
import type { Box, Policy } from '../../../policy/policy.ts';
import { writtenPolicy } from '../../arbitrary/policy.ts';
import { WORLD } from '../../arbitrary/world.ts';
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

/** Most random denials name somebody, and many policies only monitor: here fewer do. */
function often(policy: Policy, index: number): Policy {
  if (index % 4 === 0) return policy;
  const boxes = policy.boxes.map((box, at) => (at % 2 === 0 ? { ...box, from: {} } : box));
  return { ...policy, mode: 'block', target: 'host', boxes };
}

function isStopped({ mode, target, boxes }: Policy, to: string): boolean {
  const address = destinationOf(canonicalAddress(parseLiteral(to)!));
  return (
    mode === 'block' &&
    target === 'host' &&
    boxes.some(
      (box) =>
        deniesEverybody(box) && (box.to.prefixes?.some((prefix) => containsAddress(prefix, address)) ?? true),
    )
  );
}

/** The loaded program; or nothing where this user may not load it, with the reason as that of the skip. */
function loaded(t: TestContext): BackstopProgram | undefined {
  try {
    const program = new BackstopProgram();
    t.after(() => program[Symbol.dispose]());
    return program;
  } catch (error) {
    if (!(error instanceof SystemError) || !/EPERM|EACCES/.test(error.message)) throw error;
    t.skip(`the kernel does not let this user load BPF programs (${error.message})`);
    return undefined;
  }
}

function putInForce(program: BackstopProgram, policy: Policy): void {
  const { mode, target } = policy;
  const compiled = compilePolicy(policy, () => undefined);
  applyPolicy(program.egress, compiled, { mode, target, record: false, cgroups: [] });
}

test('the backstop drops just the packets to addresses that a policy denies to everybody', (t) => {
  const program = loaded(t);
  if (!program) return;
  const policies = fc.sample(writtenPolicy(), { numRuns: POLICIES, seed: 7 });
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
