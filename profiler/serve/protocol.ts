import { BouhekiError, type ErrorCode } from '../../error/error.ts';
import type { LiveStatus } from './live-status.ts';

/**
 * What a recorder and a reader say to each other over the socket. The recorder greets first; then each
 * request gets its answer before the next one is read. No request makes the recorder run a statement of the
 * reader's, or pass on rows of the record: a reader copies the files, and asks its copy. A change of any of
 * this is a new PROTOCOL.
 */
export const PROTOCOL = 4;

/** Bytes of the largest request, and of the largest message of an answer. */
export const MAX_REQUEST = 1 << 10;
export const MAX_MESSAGE = 1 << 20;

export interface Greeting {
  bouheki: 'recorder';
  protocol: number;
  schema: number;
  pid: number;
}

/**
 * `hold`: no checkpoint until the reader hangs up, or for as long as the recorder has patience. `watch`: after
 * the answer come FeedMessages, until either side hangs up.
 */
export type Request = { status: true } | { hold: true } | { watch: true };

export type Response = { status: LiveStatus } | { held: true } | { watching: true } | { failure: Failure };

/** An error on its way through the socket. Without a code it is one of DuckDB's own. */
export interface Failure {
  code?: ErrorCode;
  message: string;
  remedy?: string;
  detail?: string;
}

export function describeFailure(error: unknown): Failure {
  if (!(error instanceof BouhekiError))
    return { message: error instanceof Error ? error.message : String(error) };
  const { code, message, remedy, detail } = error;
  return {
    code,
    message,
    ...(remedy !== undefined && { remedy }),
    ...(detail !== undefined && { detail }),
  };
}

export function failureError({ code, message, ...rest }: Failure): Error {
  return code === undefined ? new Error(message) : new BouhekiError(code, message, rest);
}
