import { BouhekiError } from '../../error/error.ts';
import { renderFailure, TROUBLE } from '../../error/failure.ts';
import { isTerminal, wantsColour } from '../../output/terminal.ts';
import { isEventLoss, LOSS_KINDS } from '../../profiler/event/dimension.ts';
import type { FollowedPart, Follower } from '../../profiler/follow/follow.ts';
import { openLive } from '../../profiler/read/read.ts';
import { FullScreen } from '../terminal/full-screen.ts';
import { keysIn, TopKeys } from './top-keys.ts';
import { rowsIn, topScreen, type TopState } from './top-screen.ts';
import { type Grouping, pickRows, type TopRow, TopTable } from './top-table.ts';
import { followerOf, goneError } from './watch.ts';

/** What `top` was asked for, as commander hands it over. */
export interface TopOptions {
  db: string;
}

/** How often the screen is drawn, and the recorder asked for its losses, milliseconds. */
const DRAW_EVERY = 1000;
const ASK_EVERY = 5000;

/** Shows who connects where, by rate, until it is told to end. */
export async function top({ db }: TopOptions): Promise<void> {
  if (!isTerminal(process.stdout)) {
    throw new BouhekiError('usage', 'top needs a terminal', {
      remedy: 'use `bouheki watch`, which prints lines',
    });
  }
  process.stderr.write('Reading what the record has seen before ...\r');
  const follower = await followerOf(db);
  process.stderr.write('\u001b[K');
  const run = new TopRun(db, follower);
  try {
    run.start();
    for await (const part of follower.parts()) run.take(part);
  } finally {
    run.end();
  }
  if (run.stopped || follower.ended) return;
  process.stderr.write(renderFailure(goneError()));
  process.exitCode = TROUBLE;
}

/** What is counted at a moment. */
interface Numbers extends Pick<
  TopState,
  'rate' | 'count' | 'denied' | 'noted' | 'new' | 'lost' | 'missed' | 'readiness'
> {
  rows: Record<Grouping, () => readonly TopRow[]>;
}

class TopRun {
  stopped = false;
  readonly #db: string;
  readonly #follower: Follower;
  readonly #table = new TopTable(seconds());
  readonly #keys = new TopKeys();
  readonly #screen: FullScreen;
  readonly #timers: NodeJS.Timeout[] = [];
  #missed = 0;
  #lost = 0;
  #readiness: TopState['readiness'];
  /** What is shown while it is paused. */
  #held: Numbers | undefined;

  constructor(db: string, follower: Follower) {
    this.#db = db;
    this.#follower = follower;
    this.#screen = new FullScreen({
      key: (text) => this.#key(text),
      resized: () => this.#draw(),
      gone: () => this.#stop(),
    });
  }

  start(): void {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => this.#stop());
    const now = seconds();
    for (const { ago, place } of this.#follower.fresh) this.#table.addNew(place, ago, now);
    this.#screen.enter();
    this.#timers.push(
      setInterval(() => this.#draw(), DRAW_EVERY),
      setInterval(() => void this.#ask(), ASK_EVERY),
    );
    void this.#ask();
    this.#draw();
  }

  take({ events, missed }: FollowedPart): void {
    const now = seconds();
    this.#missed += missed;
    // UDP connects, which send nothing, are no traffic.
    for (const event of events) if (event.operation !== 'intent') this.#table.add(event, now);
    this.#draw();
  }

  end(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#screen.leave();
  }

  #stop(): void {
    this.stopped = true;
    this.#follower.close();
  }

  /** What the recorder alone knows. A recorder that does not answer is about to end. */
  async #ask(): Promise<void> {
    const status = await openLive(this.#db).catch(() => undefined);
    if (status === undefined) return;
    this.#lost = LOSS_KINDS.filter((kind) => isEventLoss({ kind })).reduce(
      (sum, kind) => sum + status.lost[kind],
      0,
    );
    const { subjects } = status;
    if (subjects === undefined) return;
    const all = Object.values(subjects).reduce((sum, count) => sum + count, 0);
    this.#readiness = { stable: subjects.stable, all };
  }

  #key(text: string): void {
    const { state } = this.#keys;
    const wasPaused = state.paused;
    const room = { rows: this.#state().rows.length, page: rowsIn(this.#screen.height) };
    // A paste comes as one text.
    for (const key of keysIn(text)) if (this.#keys.press(key, room) === 'quit') return this.#stop();
    if (state.paused !== wasPaused) this.#held = state.paused ? this.#numbers() : undefined;
    this.#draw();
  }

  #draw(): void {
    const { height, width } = this.#screen;
    this.#screen.draw(topScreen(this.#state(), { height, width, colour: wantsColour(process.stdout) }));
  }

  #state(): TopState {
    const { state } = this.#keys;
    const { rows, ...numbers } = this.#held ?? this.#numbers();
    return {
      db: this.#db,
      ...state,
      ...numbers,
      rows: pickRows(rows[state.grouping](), state.order, state.filter),
    };
  }

  /** As they are now; rows when they are asked for, unless it is paused, which takes them all. */
  #numbers(): Numbers {
    const now = seconds();
    const rowsOf = (grouping: Grouping): (() => readonly TopRow[]) => {
      if (!this.#keys.state.paused) return () => this.#table.rows(grouping, now);
      const rows = this.#table.rows(grouping, now);
      return () => rows;
    };
    return {
      ...this.#table.total,
      ...this.#table.summary(now),
      rows: { subject: rowsOf('subject'), destination: rowsOf('destination'), rule: rowsOf('rule') },
      lost: this.#lost,
      missed: this.#missed,
      readiness: this.#readiness,
    };
  }
}

function seconds(): number {
  return performance.now() / 1000;
}
