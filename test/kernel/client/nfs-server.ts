import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';

/** Numbers of RFC 1813 and RFC 5531. */
const PROGRAMS = { mount: 100_005, nfs: 100_003 } as const;
const UNAVAILABLE = 1;
const MISSING = 2;
const LAST = 0x8000_0000;
/** An AUTH_SYS credential, and one that says nothing. */
const AUTH_SYS = 1;
const CAN_ALL = 0x3f;

const ROOT = 1;
const FILE = 2;
/** What there is: a directory with one file. */
export const NAME = 'file';
export const CONTENT = 'read through the kernel\n';

type Words = (number | Buffer)[];

function long(value: number): number[] {
  return [0, value];
}

/** Words of 32 bits, and bytes that fill some. */
function bytesOf(words: Words): Buffer {
  return Buffer.concat(
    words.map((word) => {
      if (typeof word !== 'number') return Buffer.concat([word, Buffer.alloc(-word.length & 3)]);
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32BE(word >>> 0);
      return bytes;
    }),
  );
}

function handle(id: number): Words {
  return [4, id];
}

function attributes(id: number): Words {
  const [type, mode, size] = id === ROOT ? [2, 0o755, 0] : [1, 0o644, CONTENT.length];
  return [type, mode, 1, 0, 0, ...long(size), ...long(size), 0, 0, ...long(7), ...long(id), 0, 0, 0, 0, 0, 0];
}

function maybeAttributes(id: number): Words {
  return [1, ...attributes(id)];
}

/** The procedures of version 3 that a mount and a read take. `args` begins with the handle, which `id` is. */
function answerFile(procedure: number, id: number, args: Buffer): Words | undefined {
  switch (procedure) {
    case 0:
      return [];
    case 1:
      return [0, ...attributes(id)];
    case 3: {
      const name = args.toString('latin1', 12, 12 + args.readUInt32BE(8));
      if (name !== NAME) return [MISSING, ...maybeAttributes(id)];
      return [0, ...handle(FILE), ...maybeAttributes(FILE), ...maybeAttributes(id)];
    }
    case 4:
      return [0, ...maybeAttributes(id), CAN_ALL];
    case 6: {
      const begin = args.readUInt32BE(12);
      const data = Buffer.from(CONTENT).subarray(begin, begin + args.readUInt32BE(16));
      const atEnd = begin + data.length >= CONTENT.length ? 1 : 0;
      return [0, ...maybeAttributes(id), data.length, atEnd, data.length, data];
    }
    case 18:
      return [0, ...maybeAttributes(id), ...Array.from({ length: 6 }, () => long(1000)).flat(), 0];
    case 19:
      return [
        0,
        ...maybeAttributes(id),
        65536,
        65536,
        512,
        65536,
        65536,
        512,
        4096,
        ...long(2 ** 30),
        0,
        1,
        0x1b,
      ];
    case 20:
      return [0, ...maybeAttributes(id), 8, 255, 1, 1, 0, 1];
    default:
      return undefined;
  }
}

function answer(call: Buffer): Buffer {
  const [xid, , , program, , procedure] = Array.from({ length: 6 }, (_, at) => call.readUInt32BE(4 * at));
  let at = 24;
  // The credential and what proves it.
  for (let part = 0; part < 2; part += 1) at += 8 + ((call.readUInt32BE(at + 4) + 3) & ~3);
  const args = call.subarray(at);
  let words: Words | undefined;
  if (program === PROGRAMS.mount) words = procedure === 1 ? [0, ...handle(ROOT), 1, AUTH_SYS] : [];
  else if (program === PROGRAMS.nfs)
    words = answerFile(procedure!, args.length < 8 ? 0 : args.readUInt32BE(4), args);
  const reply = bytesOf([xid!, 1, 0, 0, 0, words === undefined ? UNAVAILABLE : 0, ...(words ?? [])]);
  return Buffer.concat([bytesOf([LAST + reply.length]), reply]);
}

function serve(socket: Socket): void {
  let read = Buffer.alloc(0);
  socket.on('error', () => {});
  socket.on('data', (data) => {
    read = Buffer.concat([read, data]);
    while (read.length >= 4) {
      const end = 4 + (read.readUInt32BE(0) & ~LAST);
      if (read.length < end) return;
      socket.write(answer(read.subarray(4, end)));
      read = read.subarray(end);
    }
  });
}

/** An NFS server of version 3 at a port of 127.0.0.1 that has one file to read. */
export class NfsServer {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor() {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      serve(socket);
    });
  }

  static async start(): Promise<NfsServer> {
    const server = new NfsServer();
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  /** What `mount -t nfs` has to be told, as no helper of it asks the server first. */
  get options(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('not listening');
    const port = String(address.port);
    return `vers=3,nolock,noacl,addr=127.0.0.1,proto=tcp,port=${port},mountproto=tcp,mountport=${port},noac`;
  }

  /** Whoever connects from now on is refused. */
  async end(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    if (this.#server.listening) await once(this.#server, 'close');
  }
}
