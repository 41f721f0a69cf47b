import { BouhekiError } from '../../../error/error.ts';
import { parsePolicy } from '../../../policy/file/parse.ts';
import type { Policy } from '../../../policy/meaning/policy.ts';
import type { Refusal, RefusalCode } from '../../wire/message.ts';

/** An offer that is not taken: what the hub is told. */
export class Refused extends Error {
  readonly refusal: Refusal;

  constructor(code: RefusalCode, message: string, place: { line: number; column: number } = NOWHERE) {
    super(message);
    this.refusal = { code, message, line: place.line, column: place.column };
  }
}

const NOWHERE = { line: 0, column: 0 };

/** What a policy's text says, as a file is read. Throws `Refused` with the place of its first fault. */
export function readBody(body: Buffer): Policy {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
  } catch {
    throw new Refused('policy', 'the policy is no text in UTF-8');
  }
  const { policy, problems } = parsePolicy(text, 'policy');
  if (policy !== undefined) return policy;
  const fault = problems.find(({ severity }) => severity === 'error')!;
  throw new Refused('policy', fault.message, fault);
}

/** Why something was not done on this host, for the hub. */
export function refusalOf(code: RefusalCode, error: unknown): Refused {
  if (error instanceof Refused) return error;
  const detail = error instanceof BouhekiError && error.detail !== undefined ? `: ${error.detail}` : '';
  return new Refused(code, `${(error as Error).message}${detail}`.slice(0, MOST_MESSAGE));
}

/** Characters that a hub is told. */
const MOST_MESSAGE = 1000;
