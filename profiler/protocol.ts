import type { DuckDBValue } from '@duckdb/node-api';
import { BouhekiError, type ErrorCode } from '../error/error.ts';
import type { LiveStatus } from './live-status.ts';
import type { Form, Value } from './record-source.ts';

/**
 * What a recorder and a reader say to each other over the socket. The recorder greets first; then each request gets
 * its answer before the next one is read. A change of any of this is a new PROTOCOL.
 */
export const PROTOCOL = 1;

/** Bytes of the largest request, and of the largest message of an answer. */
export const MAX_REQUEST = 1 << 20;
export const MAX_MESSAGE = 1 << 28;

export interface Greeting {
  bouheki: 'recorder';
  protocol: number;
  schema: number;
  pid: number;
}

export interface Ask {
  sql: string;
  values: readonly DuckDBValue[];
  form: Form;
}

export type Request = { ask: Ask } | { status: true };

/** An `ask` is answered by `names`, any number of `columns` and `end`, or by `failure` at any point. */
export type Response =
  | { names: string[] }
  | { columns: Value[][] }
  | { end: true }
  | { status: LiveStatus }
  | { failure: Failure };

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
