import { BouhekiError } from '../../../error/error.ts';
import { visible } from '../../../error/visible.ts';

/** What PostgreSQL says of an error, by its five characters: see "Appendix A. PostgreSQL Error Codes" of its manual. */
interface ServerError extends Error {
  code?: string;
}

/** Of a server that is not there for us: connection lost, resources used up, being stopped, read only. */
const AWAY = /^(?:08|53|57P|58|25006|25P03|40001|40P01|55P03|57014|XX001)/;
/** Of a server that does not let us in, or lacks the database. */
const REFUSED = /^(?:28|3D000|42501|0P)/;

/** Failures that the client makes by itself carry no code of the server. */
const LOST = /^(?:Connection terminated|timeout |Query read timeout|Client (?:has|was) |Cannot use a pool)/;

/** Whether this failure says that the connection, or the server, cannot be used any longer. */
export function isAway(error: unknown): boolean {
  const { code, message } = error as ServerError;
  if (code === undefined) return LOST.test(message);
  return AWAY.test(code) || /^E[A-Z]+$/.test(code);
}

/**
 * The failure for the caller: BouhekiError `fleet-away` where it may pass, `fleet` where the server refuses us. All else is a
 * bug, and stays as it is.
 */
export function engineFailure(error: unknown): unknown {
  if (error instanceof BouhekiError) return error;
  if (REFUSED.test((error as ServerError).code ?? '')) return refusal(error);
  return isAway(error) ? away(textOf(error), error) : error;
}

/** The same of what fails while a connection is made, TLS and the address included: none of it is a bug. */
export function connectFailure(error: unknown): unknown {
  return error instanceof BouhekiError || isAway(error) ? engineFailure(error) : refusal(error);
}

function textOf(error: unknown): string {
  return visible((error as Error).message || String(error));
}

function refusal(error: unknown): BouhekiError {
  return new BouhekiError('fleet', `PostgreSQL refuses the hub: ${textOf(error)}`, {
    remedy:
      'check address, certificate, user, password, database and rights; the role must be able to make a schema',
    cause: error,
  });
}

/** No server can be reached, or none of them is the primary. */
export function away(text: string, cause?: unknown): BouhekiError {
  return new BouhekiError('fleet-away', `the engine cannot be used: ${text}`, {
    remedy: 'start PostgreSQL, or give the address of the server that is the primary now; it is tried again',
    cause,
  });
}
