import { createSocket, type Socket } from 'node:dgram';
import { createServer, type Server } from 'node:net';
import { type Answer, decode, encode, type Packet, streamDecode, streamEncode } from 'dns-packet';

/** Behind a question: its name has this address for a minute. */
const RECORD = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);

/** What an answer holds, or all of it but its id. */
export type Zone = (name: string, type: string) => Answer[] | Buffer | undefined;

/** A resolver that answers by UDP and TCP. Undefined from the zone: it stays silent. `bold`: the address of what it can't read. */
export class NameServer implements AsyncDisposable {
  readonly #zone: Zone;
  readonly #bold: Buffer;
  readonly #closing: (() => void)[] = [];

  constructor(zone: Zone, bold: string) {
    this.#zone = zone;
    this.#bold = Buffer.from(bold.split('.').map(Number));
  }

  async listen(address: string): Promise<void> {
    const socket: Socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    socket.on('message', (message, { address: to, port }) => {
      const reply = this.#replyTo(message);
      if (reply) socket.send(Buffer.isBuffer(reply) ? reply : encode(reply), port, to);
    });
    await new Promise<void>((resolve) => socket.bind(53, address, resolve));
    this.#closing.push(() => socket.close());
    const server: Server = createServer((connection) => {
      connection.on('data', (data) => {
        for (let rest = data; rest.length > 0; rest = rest.subarray(2 + rest.readUInt16BE(0))) {
          const reply = this.#reply(streamDecode(rest)!);
          if (reply && !Buffer.isBuffer(reply)) connection.write(streamEncode(reply));
        }
      });
      connection.on('error', () => {});
    });
    await new Promise<void>((resolve) => server.listen(53, address, resolve));
    this.#closing.push(() => server.close());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const close of this.#closing) close();
  }

  /** A name that is too long is answered too. */
  #replyTo(message: Buffer): Packet | Buffer | undefined {
    let query: Packet;
    try {
      query = decode(message);
    } catch {
      const head = Buffer.from([...message.subarray(0, 2), 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
      return Buffer.concat([head, message.subarray(head.length), RECORD, this.#bold]);
    }
    return this.#reply(query);
  }

  #reply({ id, questions }: Packet): Packet | Buffer | undefined {
    const [{ name, type }] = questions as [{ name: string; type: string }];
    const answers = this.#zone(name.toLowerCase(), type);
    if (Buffer.isBuffer(answers)) answers.writeUInt16BE(id!);
    if (!answers || Buffer.isBuffer(answers)) return answers;
    return { type: 'response', id: id!, flags: 0x0180, questions: questions!, answers };
  }
}
