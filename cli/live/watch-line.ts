import { visible } from '../../error/visible.ts';
import { cutToWidth, displayWidth } from '../../format/display-width.ts';
import { formatCount, formatNumber } from '../../format/number.ts';
import { Repeats } from '../../output/repeat.ts';
import { paint, type Style } from '../../output/terminal.ts';
import type { Followed } from '../../profiler/follow/follow.ts';
import { jsonLine } from '../terminal/json-document.ts';
import type { View } from '../terminal/view.ts';
import { formatAddress } from '../../policy/value/address.ts';
import { formatProtocol } from '../../policy/value/protocol.ts';
import { destinationAddress } from '../../generator/destination/destination.ts';
import { whereText, whoText } from './place.ts';

/** Lines that a terminal is given of what came together, about a second: nobody reads more. */
const MOST_LINES = 200;
/** From so many columns on, programs are shown by their whole path. */
const WIDE = 120;

const VERDICTS = { allow: 'allow', deny: 'DENY', noted: 'would deny' } as const;
const STYLES: Readonly<Record<string, Style>> = { DENY: 'red', 'would deny': 'yellow' };

/** What became of what is followed. Numbers of connections, but for lines. */
export interface Tally {
  shown: number;
  lines: number;
  filtered: number;
  /** Came faster than it could be taken or shown. */
  missed: number;
}

/** Connections as lines for people: each once, with the number of repeats every ten seconds. */
export class WatchLines {
  readonly tally: Tally = { shown: 0, lines: 0, filtered: 0, missed: 0 };
  readonly #view: () => View;
  readonly #repeats: Repeats;

  /** `passed`: milliseconds of a clock that nobody sets. */
  constructor(view: () => View, passed = (): number => performance.now()) {
    this.#view = view;
    this.#repeats = new Repeats(passed);
  }

  /** The lines of what came together, of which `missed` were not taken. */
  of(events: readonly Followed[], missed: number): string[] {
    const view = this.#view();
    const most = view.width === undefined ? Number.POSITIVE_INFINITY : MOST_LINES;
    const lines: string[] = [];
    let left = missed;
    for (const { count, event, key } of foldEqual(events)) {
      if (this.#repeats.holds(key, count)) this.tally.shown += count;
      else if (lines.length >= most) left += count;
      else {
        const line = lineOf(event, view);
        this.#repeats.printed(key, line);
        lines.push(show(count === 1 ? line : `${line}  x${formatNumber(count)}`, view));
        this.tally.shown += count;
      }
    }
    this.tally.missed += left;
    if (left > 0) lines.push(show(`… ${formatCount(left, 'connection')} not shown: too many at once`, view));
    return this.#counted(lines);
  }

  /** Lines of what was repeated, when it is time, or `now` because there is no later. */
  repeats(now = false): string[] {
    const view = this.#view();
    const lines = this.#repeats
      .due(now)
      .map(({ line, more }) => show(`${again(line)}  ${formatNumber(more)} more`, view));
    return this.#counted(lines);
  }

  #counted(lines: string[]): string[] {
    this.tally.lines += lines.length;
    return lines;
  }
}

interface Equal {
  key: string;
  event: Followed;
  count: number;
}

/** Equal ones together, in the order of their first. */
function foldEqual(events: readonly Followed[]): Iterable<Equal> {
  const found = new Map<string, Equal>();
  for (const event of events) {
    const key = `${event.verdict} ${whoText(event, true)} ${whereText(event)} ${event.rule ?? ''}`;
    const equal = found.get(key);
    if (equal === undefined) found.set(key, { key, event, count: event.count });
    else equal.count += event.count;
  }
  return found.values();
}

/** `12:01:54 new allow curl (ada) -> example.com:443/tcp (192.0.2.1)  by "web"`, neither cut nor coloured. */
function lineOf(event: Followed, { width }: View): string {
  const who = visible(whoText(event, width === undefined || width >= WIDE));
  // As wide for all, so that destinations stand below one another.
  const room = width === undefined ? 0 : Math.max(16, Math.floor(width / 4));
  const shown = width === undefined ? who : cutToWidth(who, room);
  const pad = ' '.repeat(Math.max(0, room - displayWidth(shown)));
  const mark = event.isNew ? 'new' : NOT_NEW;
  const rule = event.rule === undefined ? '' : `  by "${visible(event.rule)}"`;
  const verdict = VERDICTS[event.verdict].padEnd(5);
  return `${clockTime(event.time)} ${mark} ${verdict} ${shown}${pad} -> ${visible(whereText(event))}${rule}`;
}

/** What it says again, at another time, is not new. */
function again(line: string): string {
  return `${clockTime(Date.now() * 1000)} ${NOT_NEW}${line.slice(12)}`;
}

/** Cut to its terminal, and coloured. */
function show(line: string, { colour, width }: View): string {
  const text = width === undefined ? line : cutToWidth(line, width);
  if (!colour) return text;
  return text.replace(HEAD, (_, time: string, mark: string, verdict: string) => {
    return `${time}${paint(colour, mark === NOT_NEW ? undefined : 'green', mark)} ${paint(colour, STYLES[verdict], verdict)}`;
  });
}

const NOT_NEW = '   ';
const HEAD = /^(\d\d:\d\d:\d\d )(new| {3}) (allow|DENY|would deny)/;

/** By the clock of this host: it is read now. */
function clockTime(microseconds: number): string {
  return new Date(microseconds / 1000).toTimeString().slice(0, 8);
}

/** One line of JSON for programs. */
export function connectionJson(event: Followed): string {
  const { count, destination, isNew, names, operation, pid, rule, subject, time, user, verdict } = event;
  const { address, family, port, protocol, socket } = destination;
  return jsonLine('connection', {
    first: time,
    verdict: verdict === 'allow' ? 'allow' : 'deny',
    noted: verdict === 'noted',
    rule,
    new: isNew,
    count,
    operation,
    subject: { ...subject, user: subject.inContainer ? undefined : user, pid },
    ...(socket === undefined
      ? {
          address: formatAddress(destinationAddress({ address, family, port, protocol })),
          port,
          protocol: formatProtocol(protocol),
          names,
        }
      : { socket }),
  });
}
