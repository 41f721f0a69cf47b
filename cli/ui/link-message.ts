/** Bytes of the largest question or answer. */
export const MOST_LINK_BYTES = 1 << 10;

export interface LinkRequest {
  anotherLink: true;
}

export interface LinkAnswer {
  link: string;
}

export function isLinkRequest(message: unknown): message is LinkRequest {
  return typeof message === 'object' && message !== null && 'anotherLink' in message;
}
