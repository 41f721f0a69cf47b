import { BouhekiError } from './error.ts';

/** That what was to be printed could not be, and why; where its reader has had enough of it that is no failure. */
export function unwritten({ message }: Error): BouhekiError {
  return new BouhekiError('store', `standard output cannot be written: ${message}`, {
    remedy: 'what was printed so far is not all: have it written elsewhere',
  });
}
