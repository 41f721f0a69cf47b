import { isatty } from 'node:tty';
import pino, { type Logger } from 'pino';
import { BouhekiError } from '../error/error.ts';
import { type Descriptor, openLogFile, openStandard } from '../output/descriptor.ts';
import { wantsColour } from '../output/terminal.ts';
import { DenialLines } from './denial-line.ts';
import { Outlet } from '../output/outlet.ts';
import { replaceUnsafe, visibleJson } from '../error/visible.ts';
import { formatMoment } from '../format/moment.ts';
import type { LogOptions } from '../policy/meaning/policy.ts';

/**
 * What the log says of one denied connection, or of many. Absent fields are unknown, or differ, and are not
 * logged.
 */
export interface VerdictEntry {
  action: 'BLOCKED' | 'MONITOR';
  /** Absent, as the port, when a socket was opened that no destination can be judged by. */
  address?: string;
  /** What that address was known by. */
  name?: string;
  command?: string;
  /** Host name of the process's uts namespace: a container's, inside one. */
  hostname?: string;
  pid?: number;
  port?: number;
  /** The kind of that socket. */
  socket?: string;
  exe?: string;
  uid: number;
  /** What the host calls that user. */
  user?: string;
  protocol?: string;
  parentCommand?: string;
  /** The processes that started it, the nearest first: `bash < sshd < systemd`. */
  ancestors?: string;
  container?: string;
  image?: string;
  /** Name of the box that decided; absent when no rule allows the connection. */
  rule?: string;
  policy?: string;
  /** How many denials the line stands for, where that is not one. */
  count?: number;
  /** The allow rule that comes nearest, where none decided: how many boxes a search looks at, and the search. */
  nearest?: NearestRule;
}

export interface NearestRule {
  boxes: number;
  find(): string | undefined;
}

const MESSAGE = 'Traffic is trapped in the filter.';
const MISSING = 'Lines are missing here: the log could not be written.';

/** Bytes of lines that are kept for a log that can't be written at present; what comes on top is dropped. */
const KEPT = 1 << 20;

/**
 * Writes one line for each denied connection, in the format that the policy asks for. Lines are written at
 * once, where that is possible without waiting for their reader.
 */
export class VerdictLog {
  readonly #logger: Logger;
  readonly #outlet: Outlet;
  readonly #onFailure: (error: NodeJS.ErrnoException) => void;
  readonly #text: boolean;
  /** For people who watch, where lines go to a terminal and the policy asks for no other form. */
  readonly #watched: DenialLines | undefined;
  readonly #enabled: boolean;
  readonly options: LogOptions;
  readonly #started: number;
  readonly #passed: () => number;
  /** What pino made of the last entry. */
  #json = '';

  /**
   * Without `options.output` lines go to standard output. A log that can't be opened is a BouhekiError; one
   * that can't be written later is reported to `onFailure`, once until it can be again: a full disk must not
   * end enforcement, nor may a reader that has gone. `now` is the clock on the wall, `passed` one that nobody
   * sets, both in milliseconds.
   */
  constructor(
    options: LogOptions,
    onFailure: (error: NodeJS.ErrnoException) => void,
    now: () => number = Date.now,
    passed: () => number = () => performance.now(),
  ) {
    this.#started = passed();
    this.#passed = passed;
    this.options = options;
    this.#onFailure = onFailure;
    this.#text = options.format === 'text';
    const watched = !this.#text && options.output === undefined && isatty(1);
    this.#watched = watched ? new DenialLines(wantsColour({ isTTY: true }), now, passed) : undefined;
    this.#logger = pino(
      {
        level: options.level,
        base: options.labels,
        hooks: { streamWrite: visibleJson },
        formatters: { level: (label) => ({ level: label }) },
        timestamp: () => `,"time":"${formatMoment(now() * 1000)}"`,
      },
      { write: (line) => void (this.#json = line) },
    );
    this.#enabled = this.#logger.isLevelEnabled('info');
    this.#outlet = new Outlet(openLog(options.output), KEPT, {
      missing: (count) => this.#describeMissing(count),
      failed: onFailure,
    });
  }

  /** Lines that were dropped, since they could not be written and were too many to keep. */
  get dropped(): number {
    return this.#outlet.dropped;
  }

  /** Bytes of lines that could not be written yet. */
  get waiting(): number {
    return this.#outlet.waiting;
  }

  write(entry: VerdictEntry): void {
    if (!this.#enabled) return;
    if (this.#watched) return this.#watch(this.#watched.of(entry));
    if (!this.#text) this.#logger.info(fieldsOf(entry), MESSAGE);
    this.#outlet.write(this.#text ? `${this.#line(entry)}\n` : this.#json);
  }

  /** To be called about once a second. */
  tick(): void {
    if (this.#watched) this.#watch(this.#watched.repeats());
  }

  /** Opens the file again, after a log rotation. */
  reopen(): void {
    if (this.options.output === undefined) return;
    try {
      this.#outlet.moveTo(openLogFile(this.options.output));
    } catch (error) {
      // Lines go on into the old file.
      this.#onFailure(error as NodeJS.ErrnoException);
    }
  }

  /**
   * Closes the file, after so many milliseconds at the most in which what waits may still be written;
   * standard output stays open.
   */
  async close(patience = 0): Promise<void> {
    if (this.#watched) this.#watch(this.#watched.repeats(true));
    await this.#outlet.close(patience);
  }

  #watch(lines: string): void {
    if (lines !== '') this.#outlet.write(lines);
  }

  #describeMissing(count: number): string {
    if (this.#watched) return `${MISSING} ${count} of them.\n`;
    if (this.#text) return `WARN[${this.#seconds()}] ${MISSING} Dropped=${count}\n`;
    this.#logger.warn({ Dropped: count }, MISSING);
    return this.#json;
  }

  /** Since the start. */
  #seconds(): string {
    return String(Math.floor((this.#passed() - this.#started) / 1000)).padStart(4, '0');
  }

  #line(entry: VerdictEntry): string {
    const { Action, ...rest } = fieldsOf(entry);
    const fields = Object.entries({ Action: Action === 'BLOCKED' ? 'block' : 'monitor', ...rest });
    const text = fields.map(([name, value]) => `${name}=${printable(String(value))}`).join(' ');
    return `INFO[${this.#seconds()}] ${MESSAGE}             ${text}`;
  }
}

function openLog(output: string | undefined): Descriptor {
  try {
    return output === undefined ? openStandard(1) : openLogFile(output);
  } catch (error) {
    if (error instanceof BouhekiError) throw error;
    throw new BouhekiError('policy', `cannot open the log ${output ?? 'at standard output'}`, {
      remedy: 'name a file in a folder that exists as log.output, or leave it out for standard output',
      detail: (error as Error).message,
      cause: error,
    });
  }
}

/** The names of fields in the log, in their order. */
const FIELD_NAMES = {
  action: 'Action',
  address: 'Addr',
  command: 'Comm',
  hostname: 'Hostname',
  pid: 'PID',
  port: 'Port',
  socket: 'Socket',
  exe: 'Exe',
  uid: 'UID',
  user: 'User',
  protocol: 'Protocol',
  name: 'Name',
  parentCommand: 'ParentComm',
  ancestors: 'Ancestors',
  container: 'Container',
  image: 'Image',
  rule: 'Rule',
  policy: 'Policy',
  count: 'Count',
} as const satisfies Record<Exclude<keyof VerdictEntry, 'nearest'>, string>;

/** Those that the entry has. */
function fieldsOf(entry: VerdictEntry): Record<string, string | number> {
  const fields: Record<string, string | number> = {};
  for (const key of Object.keys(FIELD_NAMES) as (keyof typeof FIELD_NAMES)[]) {
    const value = entry[key];
    if (value !== undefined) fields[FIELD_NAMES[key]] = value;
  }
  return fields;
}

/**
 * Names are chosen by the processes that are watched: nothing of them may end a line, move a cursor or pose
 * as a field.
 */
function printable(text: string): string {
  const escaped = replaceUnsafe(text.replace(/["\\\ufffd]/g, escape), escape);
  return escaped === '' || /[\s=]/.test(escaped) || escaped !== text ? `"${escaped}"` : escaped;
}

function escape(character: string): string {
  const code = character.codePointAt(0)!;
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16)}`;
}
