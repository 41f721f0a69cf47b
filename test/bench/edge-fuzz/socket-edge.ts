import { connect, type Socket } from 'node:net';
import { serialize } from 'node:v8';
import { setTimeout as wait } from 'node:timers/promises';
import { encodeFrame } from '../../../profiler/serve/frame.ts';
import { below, bytes, pick, settled, type Edge, type Ground } from './edge.ts';

/** How long an answer is waited for before the connection is dropped, milliseconds. */
const PATIENCE = 2000;

/** The socket at which a recorder answers readers. */
export const socketEdge: Edge = {
  name: 'socket',
  async attempt(ground) {
    const path = `${ground.db}.sock`;
    if (ground.random() < 0.05) await crowd(path, ground);
    else await converse(path, ground);
  },
};

/** More connections than are served at a time. */
async function crowd(path: string, ground: Ground): Promise<void> {
  await Promise.all(Array.from({ length: 24 }, () => converse(path, ground)));
}

async function converse(path: string, ground: Ground): Promise<void> {
  const socket = connect(path);
  // It may be refused, or sent away at any point.
  socket.on('error', () => undefined);
  try {
    await settled(socket, 'connect');
    for (let left = below(ground.random, 4); left >= 0 && !socket.destroyed; left--) {
      socket.write(message(ground.random));
      await listen(socket, ground.random);
    }
  } finally {
    socket.destroy();
  }
}

/** Reads for a moment, does not read at all, or goes at once. */
async function listen(socket: Socket, random: () => number): Promise<void> {
  const manner = random();
  if (manner < 0.2) return;
  if (manner < 0.3) {
    socket.pause();
    await wait(below(random, PATIENCE));
    return;
  }
  socket.resume();
  await Promise.race([settled(socket, 'data'), wait(below(random, PATIENCE))]);
}

function message(random: () => number): Buffer {
  const kind = below(random, 10);
  if (kind === 0) return bytes(random, 300);
  if (kind === 1) return Buffer.concat([length(0xffff_ffff - below(random, 3)), bytes(random, 100)]);
  if (kind === 2) return encodeFrame({ status: true }).subarray(0, below(random, 20));
  if (kind === 3) return framed(garbled(serialize(pick(random, REQUESTS)), random));
  if (kind === 4) return framed(bytes(random, 2000));
  if (kind < 7) return encodeFrame(strange(random));
  return encodeFrame(pick(random, REQUESTS));
}

const REQUESTS = [{ status: true }, { hold: true }, { ask: { sql: 'SELECT 1', values: [], form: 'json' } }];

const STRANGE = [
  null,
  undefined,
  0n,
  2n ** 200n,
  Number.NaN,
  '',
  'x'.repeat(70_000),
  [],
  {},
  new Date(Number.NaN),
];

function strange(random: () => number): unknown {
  let deep: unknown = {};
  for (let left = below(random, 2000); left > 0; left--) deep = random() < 0.5 ? [deep] : { hold: deep };
  return pick(random, [
    deep,
    ...STRANGE,
    { hold: pick(random, STRANGE) },
    { status: pick(random, STRANGE), hold: deep },
    { __proto__: null, abandon: true },
    new Map([['status', true]]),
  ]);
}

function garbled(body: Buffer, random: () => number): Buffer {
  for (let left = below(random, 4); left >= 0; left--) body[below(random, body.length)] = below(random, 256);
  return body;
}

function framed(body: Buffer): Buffer {
  return Buffer.concat([length(body.length), body]);
}

function length(value: number): Buffer {
  const header = Buffer.alloc(4);
  header.writeUInt32LE(value);
  return header;
}
