import { existsSync, fchmodSync } from 'node:fs';
import pino, { type Logger } from 'pino';
import { BouhekiError } from '../error/error.ts';
import type { LogOptions } from '../policy/policy.ts';

/** What the log says of one denied connection. Absent fields are unknown and not logged. */
export interface VerdictEntry {
  action: 'BLOCKED' | 'MONITOR';
  /** Absent, as the port, when a socket was opened that no destination can be judged by. */
  address?: string;
  command: string;
  /** Host name of the process's uts namespace: a container's, inside one. */
  hostname: string;
  pid: number;
  port?: number;
  /** The kind of that socket. */
  socket?: string;
  exe?: string;
  uid: number;
  /** What the host calls that user. */
  user?: string;
  protocol: string;
  parentCommand?: string;
  /** The processes that started it, the nearest first: `bash < sshd < systemd`. */
  ancestors?: string;
  container?: string;
  image?: string;
  /** Name of the box that decided; absent when no rule allows the connection. */
  rule?: string;
  policy: string;
}

const MESSAGE = 'Traffic is trapped in the filter.';

/** Bytes of lines that are kept for a log that can't be written at present; what comes on top is dropped. */
const KEPT = 1 << 20;

/** Of a log that is made: for root and the group that reads logs. */
const MODE = 0o640;

/** Writes one line for each denied connection, in the format that the policy asks for. Lines are written at once. */
export class VerdictLog {
  readonly #logger: Logger;
  readonly #destination: ReturnType<typeof pino.destination>;
  readonly #text: boolean;
  readonly #enabled: boolean;
  readonly options: LogOptions;
  readonly #started: number;
  readonly #now: () => number;

  /**
   * Without `options.output` lines go to standard output. A log that can't be opened is a BouhekiError; one that can't
   * be written later is told to `onFailure`, once until it can be again: a full disk must not end enforcement.
   * `now` is a clock in milliseconds.
   */
  constructor(
    options: LogOptions,
    onFailure: (error: NodeJS.ErrnoException) => void,
    now: () => number = Date.now,
  ) {
    this.#started = now();
    this.options = options;
    this.#text = options.format === 'text';
    this.#destination = openLog(options.output);
    let failing = false;
    this.#destination.on('error', (error: NodeJS.ErrnoException) => {
      if (!failing) onFailure(error);
      failing = true;
    });
    this.#destination.on('write', () => {
      failing = false;
    });
    this.#logger = pino(
      {
        level: options.level,
        base: options.labels,
        formatters: { level: (label) => ({ level: label }) },
        timestamp: () => `,"time":"${new Date(now()).toISOString().replace(/\.\d+Z$/, 'Z')}"`,
      },
      this.#destination,
    );
    this.#enabled = this.#logger.isLevelEnabled('info');
    this.#now = now;
  }

  write(entry: VerdictEntry): void {
    if (!this.#enabled) return;
    if (this.#text) this.#destination.write(`${this.#line(entry)}\n`);
    else this.#logger.info(fieldsOf(entry), MESSAGE);
  }

  /** Opens the file again, after a log rotation. */
  reopen(): void {
    if (this.options.output === undefined) return;
    try {
      const made = !existsSync(this.options.output);
      this.#destination.reopen();
      if (made) share(this.#destination);
    } catch {
      // `onFailure` is told; lines go on into the old file.
    }
  }

  /** Closes the file; standard output stays open. */
  close(): void {
    if (this.options.output !== undefined) this.#destination.end();
  }

  #line(entry: VerdictEntry): string {
    const seconds = Math.floor((this.#now() - this.#started) / 1000);
    const { Action, ...rest } = fieldsOf(entry);
    const fields = Object.entries({ Action: Action === 'BLOCKED' ? 'block' : 'monitor', ...rest });
    const text = fields.map(([name, value]) => `${name}=${printable(String(value))}`).join(' ');
    return `INFO[${String(seconds).padStart(4, '0')}] ${MESSAGE}             ${text}`;
  }
}

/** While a record is being written the umask takes a new file from the group; the log is for its readers. */
function share(destination: ReturnType<typeof pino.destination>): void {
  fchmodSync((destination as unknown as { fd: number }).fd, MODE);
}

function openLog(output: string | undefined) {
  const options = { dest: output ?? 1, sync: true, mkdir: false, mode: MODE, maxLength: KEPT };
  try {
    const made = output !== undefined && !existsSync(output);
    const destination = pino.destination(options);
    if (made) share(destination);
    return destination;
  } catch (error) {
    throw new BouhekiError('policy', `cannot open the log ${output}`, {
      remedy: 'name a file in a folder that exists as log.output, or leave it out for standard output',
      detail: (error as Error).message,
      cause: error,
    });
  }
}

function fieldsOf(entry: VerdictEntry) {
  return {
    Action: entry.action,
    ...(entry.address !== undefined && { Addr: entry.address }),
    Comm: entry.command,
    Hostname: entry.hostname,
    PID: entry.pid,
    ...(entry.port !== undefined && { Port: entry.port }),
    ...(entry.socket !== undefined && { Socket: entry.socket }),
    ...(entry.exe !== undefined && { Exe: entry.exe }),
    UID: entry.uid,
    ...(entry.user !== undefined && { User: entry.user }),
    Protocol: entry.protocol,
    ...(entry.parentCommand !== undefined && { ParentComm: entry.parentCommand }),
    ...(entry.ancestors !== undefined && { Ancestors: entry.ancestors }),
    ...(entry.container !== undefined && { Container: entry.container }),
    ...(entry.image !== undefined && { Image: entry.image }),
    ...(entry.rule !== undefined && { Rule: entry.rule }),
    Policy: entry.policy,
  };
}

/** Names are chosen by whoever is being watched: nothing of them may end a line, move a cursor or pose as a field. */
function printable(text: string): string {
  // eslint-disable-next-line no-control-regex
  const escaped = text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufffd"\\]/g, (character) => {
    const code = character.codePointAt(0)!;
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16)}`;
  });
  return escaped === '' || /[\s=]/.test(escaped) || escaped !== text ? `"${escaped}"` : escaped;
}
