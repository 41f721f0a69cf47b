import { BouhekiError } from '../../error/error.ts';
import { renderFailure, TROUBLE } from '../../error/failure.ts';
import { visible } from '../../error/visible.ts';
import { formatCount, formatNumber } from '../../format/number.ts';
import { openStandard } from '../../output/descriptor.ts';
import { surviveLostTerminal } from '../../output/lost-terminal.ts';
import { Outlet } from '../../output/outlet.ts';
import { isTerminal } from '../../output/terminal.ts';
import { Follower, type Followed, type FollowedPart } from '../../profiler/follow/follow.ts';
import { jsonLine } from '../terminal/json-document.ts';
import { viewOf } from '../terminal/view.ts';
import { type Filters, wanted } from './filter.ts';
import { connectionJson, type Tally, WatchLines } from './watch-line.ts';

/** What `watch` was asked for, as commander hands it over. */
export interface WatchOptions extends Filters {
  db: string;
  json: boolean;
}

/** Bytes of lines that wait for their reader; what comes on top is dropped, and counted. */
const KEPT = 1 << 20;
/** How long the last lines may take to be read, milliseconds. */
const LAST_MOMENT = 2000;
/** How often repeats are looked for, milliseconds. */
const LOOK_EVERY = 1000;

/** Prints connections as they are recorded, until a signal, the reader or the recorder ends it. */
export async function watch(options: WatchOptions): Promise<void> {
  surviveLostTerminal();
  if (isTerminal(process.stderr)) process.stderr.write('Reading what the record has seen before ...\r');
  const follower = await followerOf(options.db);
  if (isTerminal(process.stderr)) process.stderr.write('\u001b[K');
  const run = new WatchRun(options, () => follower.close());
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => run.stop());
  process.stderr.write(`Watching ${visible(options.db)}.\n`);
  for await (const part of follower.parts()) run.take(part);
  await run.end();
  if (run.stopped || follower.ended) return;
  process.stderr.write(renderFailure(goneError()));
  process.exitCode = TROUBLE;
}

/** Follows the recorder of a record. Throws BouhekiError `no-data` where none runs. */
export async function followerOf(db: string): Promise<Follower> {
  const follower = await Follower.open(db);
  if (follower !== undefined) return follower;
  throw new BouhekiError('no-data', `no recorder runs on ${db}`, {
    remedy: 'Start `bouheki learn` or `bouheki enforce` first; `bouheki query` asks the record itself.',
  });
}

/** The recorder was killed, or it hung up because nothing was taken for long. */
export function goneError(): BouhekiError {
  return new BouhekiError('store-busy', 'the recorder is gone, or nothing was taken from it for too long', {
    remedy: 'See whether it runs with `bouheki status`, and start again.',
  });
}

class WatchRun {
  stopped = false;
  readonly #options: WatchOptions;
  readonly #close: () => void;
  readonly #outlet: Outlet;
  readonly #lines = new WatchLines(() => viewOf(process.stdout));
  readonly #timer: NodeJS.Timeout;
  #intents = 0;
  #lost = 0;

  constructor(options: WatchOptions, close: () => void) {
    this.#options = options;
    this.#close = close;
    // That one is asked for the size of its terminal alone: what is written there must never be waited for.
    for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
    this.#outlet = new Outlet(openStandard(1), KEPT, {
      missing: (count) =>
        options.json
          ? jsonLine('missed', { lines: count })
          : `… ${formatCount(count, 'line')} missing here: they could not be written in time\n`,
      failed: () => this.stop(),
    });
    this.#timer = setInterval(() => this.#print(options.json ? [] : this.#lines.repeats()), LOOK_EVERY);
  }

  /** Takes no more; what came already is still printed. */
  stop(): void {
    this.stopped = true;
    this.#close();
  }

  take({ events, lost, missed }: FollowedPart): void {
    const { tally } = this.#lines;
    this.#lost += lost;
    const chosen = events.filter((event) => this.#isWanted(event, tally));
    if (!this.#options.json) {
      this.#print(this.#lines.of(chosen, missed));
      return;
    }
    tally.missed += missed;
    if (missed > 0) this.#outlet.write(jsonLine('missed', { count: missed }));
    for (const event of chosen) {
      this.#outlet.write(connectionJson(event));
      tally.shown += event.count;
      tally.lines += 1;
    }
  }

  /** Prints the rest, and what became of all in a few words. */
  async end(): Promise<void> {
    clearInterval(this.#timer);
    if (!this.#options.json) this.#print(this.#lines.repeats(true));
    await this.#outlet.settle(LAST_MOMENT);
    process.stderr.write(this.#summary());
  }

  #isWanted(event: Followed, tally: Tally): boolean {
    // UDP connects, which send nothing: look-ups of names make them.
    if (event.operation === 'intent') this.#intents += event.count;
    else if (wanted(event, this.#options)) return true;
    else tally.filtered += event.count;
    return false;
  }

  #print(lines: readonly string[]): void {
    for (const line of lines) this.#outlet.write(`${line}\n`);
  }

  #summary(): string {
    const { filtered, lines, missed, shown } = this.#lines.tally;
    const more = [
      [filtered, 'left out by filters'],
      [missed, 'not shown, too many at once'],
      [this.#lost, 'lost by the recorder'],
      [this.#intents, 'UDP connects that sent nothing'],
    ] as const;
    const counts = more
      .filter(([count]) => count > 0)
      .map(([count, what]) => `, ${formatNumber(count)} ${what}`);
    const unwritten = this.#outlet.dropped;
    const dropped = unwritten === 0 ? '' : ` ${formatCount(unwritten, 'line')} could not be written.`;
    return `${formatCount(shown, 'connection')} in ${formatCount(lines, 'line')}${counts.join('')}.${dropped}\n`;
  }
}
