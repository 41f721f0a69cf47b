/** Every way in which bouheki fails on purpose. A new kind of failure is a new member here. */
export type ErrorCode =
  | 'usage'
  | 'privilege'
  | 'kernel'
  | 'verifier'
  | 'library'
  | 'policy'
  | 'store'
  | 'store-busy'
  | 'disk-full'
  | 'no-data'
  | 'loss'
  | 'untrusted'
  | 'fleet'
  | 'fleet-away';

/**
 * A failure that the user can do something about. `message` says what and where, `remedy` what to do.
 * Anything else that is thrown is a bug and keeps its stack.
 */
export class BouhekiError extends Error {
  override readonly name = 'BouhekiError';
  readonly code: ErrorCode;
  /** One sentence: what the user can do about it. */
  readonly remedy: string | undefined;
  /** Longer material printed below the message, such as a verifier log. */
  readonly detail: string | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    options: { remedy?: string; detail?: string | undefined; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.code = code;
    this.remedy = options.remedy;
    this.detail = options.detail;
  }
}
