import type { Socket } from 'node:net';
import { deserialize, serialize } from 'node:v8';

const HEADER = 4;
/** A plain frame has its bytes as they are: behind its length it begins with this number, 4 bytes, little endian. */
export const PLAIN = 0;
export const PLAIN_HEADER = HEADER + 4;

/** A message as it goes over the socket: its length in 4 bytes, little endian, then its serialization. */
export function encodeFrame(message: unknown): Buffer {
  const body = serialize(message);
  const frame = Buffer.allocUnsafe(HEADER + body.length);
  frame.writeUInt32LE(body.length);
  frame.set(body, HEADER);
  return frame;
}

/** Takes bytes as they come and gives back the messages that are complete; of a plain frame its bytes. */
export class FrameDecoder {
  readonly #limit: number;
  #parts: Buffer[] = [];
  #length = 0;

  /** `limit`: bytes of the largest message that is accepted. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Throws an Error on a message that is too large or garbled; nothing after it can be read. */
  *push(bytes: Buffer): Generator<unknown> {
    this.#parts.push(bytes);
    this.#length += bytes.length;
    for (;;) {
      const size = this.#need(HEADER)?.readUInt32LE();
      if (size === undefined) return;
      if (size > this.#limit) throw new Error(`a message of ${size} bytes is too large`);
      const frame = this.#need(HEADER + size);
      if (frame === undefined) return;
      this.#parts = frame.length > HEADER + size ? [frame.subarray(HEADER + size)] : [];
      this.#length -= HEADER + size;
      // Serializations begin with 0xff.
      const plain = size >= 4 && frame.readUInt32LE(HEADER) === PLAIN;
      const body = frame.subarray(plain ? PLAIN_HEADER : HEADER, HEADER + size);
      yield plain ? body : deserialize(body);
    }
  }

  /** All bytes in one piece once there are `length` of them. */
  #need(length: number): Buffer | undefined {
    if (this.#length < length) return undefined;
    if (this.#parts.length > 1) this.#parts = [Buffer.concat(this.#parts)];
    return this.#parts[0];
  }
}

/** Sends a message and waits until the other side has taken most of what was sent before. */
export async function sendFrame(socket: Socket, message: unknown): Promise<void> {
  if (socket.destroyed) throw new Error('the connection is closed');
  if (socket.write(encodeFrame(message))) return;
  await new Promise<void>((resolve, reject) => {
    const settle = (done: () => void) => () => {
      socket.off('drain', drained);
      socket.off('close', closed);
      done();
    };
    const drained = settle(resolve);
    const closed = settle(() => reject(new Error('the connection is closed')));
    socket.on('drain', drained);
    socket.on('close', closed);
  });
}
