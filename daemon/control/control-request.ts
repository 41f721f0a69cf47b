import type { Failure } from '../../profiler/serve/protocol.ts';
import type { PauseRequest } from './pause.ts';

/** For how long a policy may wait for its confirmation, or pause, seconds: what is to hold for longer is a rule. */
export const LONGEST_TRIAL = 86_400;

/** Bytes of the largest request. */
export const MOST_REQUEST = 64 << 10;

/** What may be asked with the key of the guard: 64 hexadecimal digits. */
interface Keyed {
  key?: string;
}

/**
 * What is asked of who enforces. `file`: an absolute path; `within`: for how many seconds its policy holds without a
 * confirmation.
 */
export type ControlRequest =
  | { ask: 'confirm' }
  | ({ ask: 'rollback' } & Keyed)
  | { ask: 'resume' }
  | { ask: 'rearm' }
  | (PauseRequest & Keyed)
  | { ask: 'shadow'; file: string }
  | ({ ask: 'apply'; file: string; within?: number } & Keyed);

/** What was done in words, or why it was not. */
export type ControlAnswer = { said: string } | { failure: Failure };
