import { fstatSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { isatty } from 'node:tty';
import { BouhekiError } from '../../error/error.ts';
import { type Descriptor, openLogFile, openStandard } from '../../output/descriptor.ts';
import { leadsToJournal, withPriority } from '../../output/journal.ts';
import { Outlet } from '../../output/outlet.ts';
import { wantsColour } from '../../output/terminal.ts';
import type { LogOptions } from '../../policy/meaning/policy.ts';
import { DenialLines } from './denial-line.ts';
import { ecsLines } from './ecs.ts';
import { type LineFormat, MISSING, type VerdictEntry } from './entry.ts';
import { jsonLines, textLines } from './line.ts';
import { ocsfLines } from './ocsf.ts';

/** Bytes of lines that are kept for a log that can't be written at present; what comes on top is dropped. */
const KEPT = 1 << 20;

/**
 * Writes one line for each denied connection, in the format that the policy asks for. Lines are written at
 * once, where that is possible without waiting for their reader.
 */
export class VerdictLog {
  readonly #outlet: Outlet;
  readonly #onFailure: (error: NodeJS.ErrnoException) => void;
  readonly #format: LineFormat;
  /** For people who watch, where lines go to a terminal and the policy asks for no other form. */
  readonly #watched: DenialLines | undefined;
  readonly #enabled: boolean;
  /** The file that lines go to: another one may have its name since. */
  #file: Descriptor;
  /** Whether it was told already that the log can't be opened where it belongs. */
  #lost = false;
  readonly options: LogOptions;

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
    this.options = options;
    this.#onFailure = onFailure;
    const watched = options.format === 'json' && options.output === undefined && isatty(1);
    this.#watched = watched ? new DenialLines(wantsColour({ isTTY: true }), now, passed) : undefined;
    const format = formatOf(options, now, passed);
    this.#format = options.output === undefined && leadsToJournal(1) ? prioritized(format) : format;
    this.#enabled = options.level === 'info' || options.level === 'debug';
    this.#file = openLog(options.output);
    this.#outlet = new Outlet(this.#file, KEPT, {
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
    if (this.#watched) this.#watch(this.#watched.of(entry));
    else this.#outlet.write(this.#format.verdict(entry));
  }

  /** To be called about once a second. */
  tick(): void {
    if (this.#watched) this.#watch(this.#watched.repeats());
    this.#followRotation();
  }

  /** Opens the file again, after a log rotation. */
  reopen(): void {
    if (this.options.output === undefined) return;
    try {
      this.#file = openLogFile(this.options.output);
      this.#outlet.moveTo(this.#file);
      this.#lost = false;
    } catch (error) {
      // Lines go on into the old file.
      if (!this.#lost) this.#onFailure(error as NodeJS.ErrnoException);
      this.#lost = true;
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

  /** Goes on in a new file where the log has been renamed or removed, without being told. */
  #followRotation(): void {
    const { output } = this.options;
    if (output === undefined) return;
    try {
      const [named, open] = [statSync(output), fstatSync(this.#file.fd)];
      if (named.ino === open.ino && named.dev === open.dev) return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') return;
    }
    this.reopen();
  }

  #watch(lines: string): void {
    if (lines !== '') this.#outlet.write(lines);
  }

  #describeMissing(count: number): string {
    if (this.#watched) return `${MISSING} ${count} of them.\n`;
    return this.#format.missing(count);
  }
}

function formatOf({ format, labels }: LogOptions, now: () => number, passed: () => number): LineFormat {
  const started = passed();
  switch (format) {
    case 'json':
      return jsonLines(labels, now);
    case 'text':
      return textLines(() => passed() - started);
    case 'ecs':
      return ecsLines(labels, now);
    case 'ocsf':
      return ocsfLines(labels, now, hostname());
  }
}

/** Lines that the journal of systemd takes for warnings. */
function prioritized({ verdict, missing }: LineFormat): LineFormat {
  return {
    verdict: (entry) => withPriority(verdict(entry), 'warning'),
    missing: (count) => withPriority(missing(count), 'warning'),
  };
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
