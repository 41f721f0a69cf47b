import { createReadStream } from 'node:fs';
import { pipeline, Readable } from 'node:stream';
import { TextDecoder } from 'node:util';
import { createGunzip } from 'node:zlib';
import { BouhekiError } from '../../error/error.ts';
import { beginningFault, faultyLine, lineFault, type EncodingFault } from '../../host/encoding.ts';
import { TrustedFile } from '../../host/trusted-file.ts';

const GZIP = [0x1f, 0x8b];

/**
 * What a file holds as text, in pieces, unpacked when it begins as gzip does, without a byte order mark; `-`
 * is standard input. Throws BouhekiError `usage` for what can't be read or is no UTF-8, and `untrusted` for a
 * file that others can write: a policy is made from what is imported.
 */
export async function* textOf(file: string): AsyncGenerator<string, void> {
  const name = inputName(file);
  const decoder = new TextDecoder('utf-8', { fatal: true });
  // Of the piece that is decoded.
  let line = 1;
  let begun = false;
  try {
    for await (const bytes of unpacked(file === '-' ? process.stdin : streamOf(file))) {
      if (!begun) refuse(name, beginningFault(bytes));
      begun = true;
      const text = decode(decoder, bytes);
      if (text === undefined) refuse(name, lineFault(line + linesBeforeFault(bytes)));
      else if (text !== '') yield text;
      for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) line += 1;
    }
    if (decode(decoder) === undefined) refuse(name, lineFault(line));
  } catch (error) {
    throw error instanceof BouhekiError ? error : cannotRead(name, error);
  }
}

/** What an input is called in messages. */
export function inputName(file: string): string {
  return file === '-' ? 'standard input' : file;
}

export function cannotRead(name: string, error: unknown): BouhekiError {
  return new BouhekiError('usage', `cannot read ${name}`, {
    detail: (error as Error).message,
    cause: error,
  });
}

function refuse(name: string, fault: EncodingFault | undefined): void {
  if (fault === undefined) return;
  // Bytes that are no UTF-8 would become U+FFFD, and a name another name.
  throw new BouhekiError('usage', `${name}: ${fault.message}`, {
    remedy: `${fault.remedy} Nothing was imported.`,
  });
}

/** Undefined for bytes that are no UTF-8. Without bytes, what is left at the end. */
function decode(decoder: TextDecoder, bytes?: Buffer): string | undefined {
  try {
    return bytes === undefined ? decoder.decode() : decoder.decode(bytes, { stream: true });
  } catch {
    return undefined;
  }
}

/** Lines before the faulty one in a piece, which may begin within a character. */
function linesBeforeFault(bytes: Buffer): number {
  const start = bytes.findIndex((byte) => (byte & 0xc0) !== 0x80);
  return faultyLine(bytes.subarray(Math.max(0, start))) - 1;
}

function streamOf(file: string): Readable {
  try {
    const { fd } = TrustedFile.open(file);
    return createReadStream('', { fd, highWaterMark: 1 << 20 });
  } catch (error) {
    if (error instanceof BouhekiError) throw error;
    throw cannotRead(file, error);
  }
}

async function* unpacked(input: Readable): AsyncGenerator<Buffer> {
  const chunks = input[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const first = await chunks.next();
  if (first.done === true) return;
  const all = prepend(first.value, chunks);
  if (first.value[0] !== GZIP[0] || first.value[1] !== GZIP[1]) {
    yield* all;
    return;
  }
  const gunzip = createGunzip();
  // What goes wrong with the input is thrown where the output is read.
  pipeline(Readable.from(all), gunzip, () => undefined);
  yield* gunzip as AsyncIterable<Buffer>;
}

async function* prepend(first: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield first;
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
}
