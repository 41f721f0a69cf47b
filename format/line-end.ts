/** Text without the CR of its line ends, and the way back. */
export interface PlainLines {
  text: string;
  /** A changed text with the line ends that the first one had. */
  restore(text: string): string;
}

/** A text in which every line ends with CRLF, with LF alone; any other as it is. */
export function plainLines(text: string): PlainLines {
  if (!text.includes('\r\n') || /(?:^|[^\r])\n/.test(text)) return { text, restore: (changed) => changed };
  return {
    text: text.replaceAll('\r\n', '\n'),
    restore: (changed) => changed.replaceAll('\n', '\r\n'),
  };
}
