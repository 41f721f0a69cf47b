import { isUtf8 } from 'node:buffer';

/** Why bytes are no text in UTF-8, and what to do about it. */
export interface EncodingFault {
  message: string;
  remedy: string;
}

/** The fault of a file of which these are the first bytes, where they already show it. */
export function beginningFault(bytes: Uint8Array): EncodingFault | undefined {
  const [first, second, third] = bytes;
  const marked = (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff);
  // Without a mark, ASCII in UTF-16 has a NUL beside each character.
  const wide = bytes.length > 3 && (first === 0) !== (second === 0) && (third === 0) === (first === 0);
  if (!marked && !wide) return undefined;
  return {
    message: 'it is UTF-16, not UTF-8',
    remedy: 'Convert it: iconv -f UTF-16 -t UTF-8 FILE > CONVERTED.',
  };
}

/** The fault of the whole of a file; undefined for UTF-8. Bytes that are none would become other names. */
export function encodingFault(bytes: Uint8Array): EncodingFault | undefined {
  return beginningFault(bytes) ?? (isUtf8(bytes) ? undefined : lineFault(faultyLine(bytes)));
}

/** The number of the first line, from 1, with bytes that are no UTF-8; the last one where none has. */
export function faultyLine(bytes: Uint8Array): number {
  let line = 1;
  let at = 0;
  for (;;) {
    const end = bytes.indexOf(10, at);
    // No character of several bytes has a line feed in it.
    if (end < 0 || !isUtf8(bytes.subarray(at, end))) return line;
    line += 1;
    at = end + 1;
  }
}

/** The fault of a line that is no UTF-8. */
export function lineFault(line: number): EncodingFault {
  return {
    message: `line ${line} is not UTF-8`,
    remedy: 'Save it as UTF-8; from Latin-1: iconv -f LATIN1 -t UTF-8 FILE > CONVERTED.',
  };
}
