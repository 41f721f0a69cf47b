import { formatDuration } from '../../format/duration.ts';
import { formatEnd } from '../../format/moment.ts';
import { LONGEST_KEEP } from '../meaning/known-name.ts';
import { formatPrefix } from '../value/cidr.ts';
import {
  ACCOUNT_DIMENSIONS,
  DESTINATION_DIMENSIONS,
  type DestinationKey,
  ID_DIMENSIONS,
  TEXT_DIMENSIONS,
  TO,
} from '../meaning/dimension.ts';
import { formatPortRange } from '../value/port.ts';
import { formatProtocol } from '../value/protocol.ts';
import { type Region, spansKey } from './region.ts';
import { intersectSpans, type Span, subtractSpans } from '../value/span.ts';
import {
  CONNECTION,
  DESTINATION_SPANS,
  DIMENSIONS,
  effectiveOf,
  prefixesOf,
  publicSpans,
  type RegionDimension,
  socketKindsOf,
  type Universe,
} from './universe.ts';

/** Some values of a dimension: exactly these, or every one but these (names that are not known included). */
export type Values = { only: string[] } | { not: string[] };

/**
 * A set of connections in words; a dimension that is absent matches everything. With `sockets` it is openings
 * of those.
 */
export interface Change {
  from: Record<string, Values>;
  to: Partial<Record<DestinationKey | 'keep', Values>> | { sockets: Values };
  /** When: `until 2026-12-31T18:00:00Z`, `from 2026-12-31T18:00:00Z on`. Absent: always. */
  when?: Values;
}

type Dimension = Exclude<RegionDimension, 'socket'>;

/**
 * Says in words what regions of a universe hold. Regions share their lists of values, so most words are found
 * once.
 */
export class Wording {
  readonly #universe: Universe;
  readonly #found = new Map<string, Values | undefined>();

  constructor(universe: Universe) {
    this.#universe = universe;
  }

  /** A region of connections and of openings of sockets is two changes. */
  changesOf(region: Region): Change[] {
    const spans = region[DIMENSIONS.indexOf('socket')]!;
    const kinds = socketKindsOf(spans);
    const from = this.subjectOf(region);
    const values = this.#values('moment', region[DIMENSIONS.indexOf('moment')]!);
    const when = values && { when: values };
    return [
      ...(intersectSpans(spans, CONNECTION).length > 0 ? [{ from, to: this.#toOf(region), ...when }] : []),
      ...(kinds.length > 0 ? [{ from, to: { sockets: { only: kinds } }, ...when }] : []),
    ];
  }

  #toOf(region: Region): Change['to'] {
    const to: Partial<Record<DestinationKey | 'keep', Values>> = {};
    for (const key of DESTINATION_DIMENSIONS) {
      const dimension = DESTINATION_SPANS[key];
      const values = this.#values(dimension, region[DIMENSIONS.indexOf(dimension)]!);
      if (values) to[TO[key]] = values;
    }
    const keep = this.#values('age', region[DIMENSIONS.indexOf('age')]!);
    if (keep) to.keep = keep;
    return to;
  }

  /** Who is in a region. */
  subjectOf(region: Region): Change['from'] {
    const from: Change['from'] = {};
    const spansOf = (dimension: Dimension) => region[DIMENSIONS.indexOf(dimension)]!;
    const process = this.#values('judged', spansOf('judged'));
    const hosts = this.#values('host', spansOf('host'));
    if (hosts) from.host = hosts;
    const names: Change['from'] = {};
    for (const dimension of TEXT_DIMENSIONS) {
      const values = this.#values(dimension, spansOf(dimension));
      if (values) names[dimension] = values;
    }
    const place = names.container ?? names.image;
    // A path without a container is one of the host, as in a rule; and what has the name of one is in a container.
    const implied =
      spansOf('judged')[0]!.first === 0n ? !place && (names.exe ?? names.script) : isNamed(place);
    if (process && !implied) from.process = process;
    Object.assign(from, names);
    for (const real of [...ID_DIMENSIONS, ...ACCOUNT_DIMENSIONS]) {
      const effective = effectiveOf(real);
      const values = this.#values(real, spansOf(real));
      const others = this.#values(effective, spansOf(effective));
      if (values) from[real] = values;
      // Rules name both at once, so one word does for both where they are the same.
      if (others && spansKey(spansOf(real)) !== spansKey(spansOf(effective))) from[effective] = others;
    }
    return from;
  }

  /** Undefined when the spans are all there is. */
  #values(dimension: Dimension, spans: readonly Span[]): Values | undefined {
    const key = `${dimension} ${spansKey(spans)}`;
    if (!this.#found.has(key)) this.#found.set(key, this.#find(dimension, spans));
    return this.#found.get(key);
  }

  #find(dimension: Dimension, spans: readonly Span[]): Values | undefined {
    const whole = this.#universe.all(dimension);
    const outside = subtractSpans(whole, spans);
    if (outside.length === 0) return undefined;
    switch (dimension) {
      case 'judged':
        return { only: [spans[0]!.first === 1n ? 'in a container' : 'outside containers'] };
      case 'address':
        // Names reach these where no rule says which.
        if (spansKey(spans) === spansKey(publicSpans())) return { only: ['public'] };
        return shorter(prefixesOf(spans).map(formatPrefix), prefixesOf(outside).map(formatPrefix));
      case 'protocol':
        return shorter(spans.flatMap(protocolNames), outside.flatMap(protocolNames));
      case 'moment':
        return { only: spans.map((each) => formatMoments(each, whole)) };
      case 'age':
        return { only: spans.map(formatAges) };
      case 'port':
      case 'uid':
      case 'euid':
      case 'gid':
      case 'egid':
        return shorter(spans.map(formatSpan), outside.map(formatSpan));
      default:
        return nameValues(spans, outside, this.#universe.patterns(dimension));
    }
  }
}

/** Whether a process without a container has none of these names. */
function isNamed(values: Values | undefined): boolean {
  return values !== undefined && 'only' in values;
}

/** On a tie the side without a range, which is the shorter to read too. */
function shorter(inside: string[], outside: string[]): Values {
  return weightOf(outside) < weightOf(inside) ? { not: outside } : { only: inside };
}

function weightOf(texts: readonly string[]): number {
  return texts.length * 2 + (texts.some((text) => /^\d+-\d+$/.test(text)) ? 1 : 0);
}

/** `uid 0 -> 10.0.0.0/8 port 443 protocol tcp`, `uid 0 -> raw sockets`, for people. */
export function formatChange({ from, to, when }: Change): string {
  const who = formatSubject(from);
  const time = when === undefined ? '' : `, ${formatValues(when)}`;
  if ('sockets' in to) return `${who} -> ${formatValues(to.sockets)} sockets${time}`;
  const { cidr, ...others } = to;
  const destination = [
    cidr ? formatValues(cidr) : 'anywhere',
    ...Object.entries(others).map(([key, values]) => `${key} ${formatValues(values)}`),
  ];
  return `${who} -> ${destination.join(' ')}${time}`;
}

/** `uid 0`, `exe /usr/bin/curl, uid other than 0`; `anything` where nothing is named. */
export function formatSubject(from: Change['from']): string {
  const subject = Object.entries(from).map(([dimension, values]) =>
    dimension === 'process' && 'only' in values ? values.only.join() : `${dimension} ${formatValues(values)}`,
  );
  return subject.length > 0 ? subject.join(', ') : 'anything';
}

/** As many as a line can bear; the JSON form has them all. */
const SHOWN = 8;

function formatValues(values: Values): string {
  const list = 'only' in values ? values.only : values.not;
  const more = list.length > SHOWN ? ` and ${list.length - SHOWN} more` : '';
  return `${'not' in values ? 'other than ' : ''}${list.slice(0, SHOWN).join(' ')}${more}`;
}

function nameValues(
  spans: readonly Span[],
  outside: readonly Span[],
  patterns: ReadonlyMap<string, readonly Span[]>,
): Values {
  const inside = coverOf(spans, patterns);
  if (inside.rest.length === 0) return { only: inside.patterns };
  const others = coverOf(outside, patterns);
  if (others.rest.length === 0) return { not: others.patterns };
  // Neither is a union of patterns: name the narrowest pattern that the rest is a part of.
  const around = [...patterns].filter(([, classes]) => subtractSpans(inside.rest, classes).length === 0);
  const narrowest = around.toSorted(([, a], [, b]) => Number(countOf(a) - countOf(b)))[0];
  return { only: [...inside.patterns, `${narrowest ? narrowest[0] : 'another name'} (in part)`] };
}

/** Patterns that lie in the spans, the widest first, each adding something; and what they leave. */
function coverOf(spans: readonly Span[], patterns: ReadonlyMap<string, readonly Span[]>) {
  const inside = [...patterns].filter(([, classes]) => subtractSpans(classes, spans).length === 0);
  const chosen: string[] = [];
  let rest: readonly Span[] = spans;
  for (const [pattern, classes] of inside.toSorted(([, a], [, b]) => Number(countOf(b) - countOf(a)))) {
    const left = subtractSpans(rest, classes);
    if (countOf(left) < countOf(rest)) chosen.push(pattern);
    rest = left;
  }
  return { patterns: chosen.sort(), rest };
}

function countOf(spans: readonly Span[]): bigint {
  return spans.reduce((sum, { first, last }) => sum + last - first + 1n, 0n);
}

/** From and to when after the end of its TTL a name counts: `to 1h`, `1h to 1d`, `7d and longer`. */
function formatAges({ first, last }: Span): string {
  // The second before is the last one of a shorter time.
  const start = first === 0n ? '' : formatDuration(Number(first - 1n));
  if (last > LONGEST_KEEP) return `${start} and longer`;
  return `${start === '' ? '' : `${start} `}to ${formatDuration(Number(last))}`;
}

/** `until 2026-12-31T18:00:00Z`, `from 2026-12-31T18:00:00Z on`, or from one to another. */
function formatMoments({ first, last }: Span, [all]: readonly Span[]): string {
  const end = last === all!.last ? undefined : formatEnd(Number(last + 1n));
  if (first === all!.first) return `until ${end}`;
  return `from ${formatEnd(Number(first))} ${end === undefined ? 'on' : `until ${end}`}`;
}

function formatSpan({ first, last }: Span): string {
  return formatPortRange({ first: Number(first), last: Number(last) });
}

function protocolNames({ first, last }: Span): string[] {
  if (last - first > 8n) return [`${first}-${last}`];
  return Array.from({ length: Number(last - first) + 1 }, (_, index) =>
    formatProtocol(Number(first) + index),
  );
}
