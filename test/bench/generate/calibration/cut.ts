/** An event as far as it is new or not; seconds. */
export interface SeriesEvent {
  time: number;
  subject: string;
  /** Subject and destination. */
  key: string;
}

/** A history, and what of the events after it that history does not foretell. */
export interface Cut {
  history: SeriesEvent[];
  /** The events of one subject alone, within a record of others; absent where it is the whole record. */
  subject?: string;
  truth: number;
  /** Share of events of subjects that the history does not have. */
  truthOfNew: number;
}

/** Where each series is cut: the share of events that is history. */
const SHARES = [0.3, 0.4, 0.5, 0.6, 0.7, 0.8];

/** How much of the series after the cut is the truth. */
const AHEAD = 0.2;

/** Of fewer events behind and ahead of a cut, a subject's share says nothing. */
const FEWEST = { behind: 100, ahead: 20 };

/** The cuts of a record as a whole. */
export function cutsOf(events: readonly SeriesEvent[]): Cut[] {
  return SHARES.map((share) => cutAt(events, share).whole);
}

/** The same for each of its subjects, where there are several. */
export function subjectCutsOf(events: readonly SeriesEvent[]): Cut[] {
  if (new Set(events.map(({ subject }) => subject)).size === 1) return [];
  return SHARES.flatMap((share) => {
    const { future, keys, subjects, whole } = cutAt(events, share);
    return [...subjects].flatMap((subject): Cut[] => {
      const behind = whole.history.filter((each) => each.subject === subject);
      const ahead = future.filter((each) => each.subject === subject);
      if (behind.length < FEWEST.behind || ahead.length < FEWEST.ahead) return [];
      return [
        {
          history: whole.history,
          subject,
          truth: shareOf(ahead, ({ key }) => !keys.has(key)),
          truthOfNew: 0,
        },
      ];
    });
  });
}

function cutAt(events: readonly SeriesEvent[], share: number) {
  const history = events.slice(0, Math.floor(events.length * share));
  const future = events.slice(history.length, Math.floor(events.length * (share + AHEAD)));
  const keys = new Set(history.map(({ key }) => key));
  const subjects = new Set(history.map(({ subject }) => subject));
  const whole: Cut = {
    history,
    truth: shareOf(future, ({ key }) => !keys.has(key)),
    truthOfNew: shareOf(future, ({ subject }) => !subjects.has(subject)),
  };
  return { future, keys, subjects, whole };
}

function shareOf(events: readonly SeriesEvent[], test: (event: SeriesEvent) => boolean): number {
  return events.filter(test).length / events.length;
}

/** How a window is cut into ten parts. */
export type Axis = 'time' | 'recorded time' | 'events';

/** Seconds without an event that count as no more than this. */
const PAUSE = 600;

/** Events in each part for each key, or for each subject. */
export function placesOf(cut: Cut, axis: Axis, by: 'key' | 'subject' = 'key'): number[][] {
  const places = new Map<string, number[]>();
  const parts = partsOf(cut.history, axis);
  for (const [at, event] of cut.history.entries()) {
    if (cut.subject !== undefined && event.subject !== cut.subject) continue;
    const blocks = places.get(event[by]) ?? Array.from({ length: 10 }, () => 0);
    places.set(event[by], blocks);
    blocks[parts[at]!]!++;
  }
  return [...places.values()];
}

function partsOf(history: readonly SeriesEvent[], axis: Axis): number[] {
  if (axis === 'events') return history.map((_, at) => Math.floor((at * 10) / history.length));
  let position = 0;
  const positions = history.map(({ time }, at) => {
    const passed = time - (history[at - 1]?.time ?? time);
    return (position += axis === 'time' ? passed : Math.min(passed, PAUSE));
  });
  return positions.map((each) => Math.min(9, Math.floor((each * 10) / (position + 1e-6))));
}

/** Seconds that the events of a cut span. */
export function spanOf({ history, subject }: Cut): number {
  const own = history.filter((each) => subject === undefined || each.subject === subject);
  return own.at(-1)!.time - own[0]!.time;
}
