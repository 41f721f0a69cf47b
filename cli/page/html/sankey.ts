import { formatCount, formatNumber } from '../../../format/number.ts';
import type { PageFlow, Verdict } from './page-data.ts';
import { html, type Markup, shorten } from './markup.ts';

/** Ways that are drawn by themselves; the rest is drawn as one of each verdict. */
const MOST_LINKS = 40;
/** Of the picture, in its own units, which are pixels where there is room. */
const WIDTH = 960;
const LABEL = 330;
const BAR = 8;
const GAP = 10;
const LEAST = 3;
/** From one label to the next. */
const LINE = 18;
/** What is shared among the ways beside that. */
const HEIGHT = 360;
/** Characters of a label. */
const LETTERS = 44;

interface Link {
  from: string;
  to: string;
  verdict: Verdict;
  count: number;
}

interface Node {
  name: string;
  /** Above and below. */
  top: number;
  size: number;
  count: number;
  /** Where the next way begins. */
  next: number;
}

/** Who talks to what, as a picture: the 40 ways of most connections, and the rest as one of each verdict. */
export function sankey(flows: readonly PageFlow[]): Markup {
  const links = linksOf(flows);
  if (links.length === 0) return html`<p class="quiet">Nothing was recorded.</p>`;
  const thickness = thicknessOf(links);
  const left = stack(links, 'from', thickness);
  const right = stack(links, 'to', thickness, (link) => left.get(link.from)!.top);
  const height = Math.max(heightOf(left), heightOf(right));
  for (const side of [left, right]) spread(side, height - heightOf(side));
  const start = LABEL + BAR;
  const end = WIDTH - LABEL - BAR;
  const middle = (start + end) / 2;
  // In the order of where they end, so that ways of one subject do not cross.
  const ordered = links.toSorted((a, b) => right.get(a.to)!.top - right.get(b.to)!.top);
  const ways = ordered.map((link) => {
    const size = thickness(link);
    const [a, b] = [left.get(link.from)!, right.get(link.to)!];
    const [y1, y2] = [a.next + size / 2, b.next + size / 2];
    a.next += size;
    b.next += size;
    const path = `M${start} ${round(y1)}C${middle} ${round(y1)} ${middle} ${round(y2)} ${end} ${round(y2)}`;
    const title = `${link.from} → ${link.to}: ${formatCount(link.count, 'connection')}${WORDS[link.verdict]}`;
    return html`<path class="way ${link.verdict}" d="${path}" stroke-width="${round(size)}"
      ><title>${title}</title></path
    >`;
  });
  const bars = [
    ...[...left.values()].map((node) => bar(node, LABEL, LABEL - 8, 'end')),
    ...[...right.values()].map((node) => bar(node, end, end + BAR + 8, 'start')),
  ];
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Who talks to what, as a picture">
    <svg
      class="sankey"
      viewBox="0 0 ${WIDTH} ${round(height + 4)}"
      role="img"
      aria-label="The ${links.length} ways of most connections, from subjects to destinations; the table below has their numbers"
    >
      <g fill="none">${ways}</g>
      ${bars}
    </svg>
  </div>`;
}

const WORDS: Readonly<Record<Verdict, string>> = { allow: '', deny: ', denied', noted: ', would be denied' };

function linksOf(flows: readonly PageFlow[]): Link[] {
  const all = new Map<string, Link>();
  for (const { count, group, subject, verdict } of flows) {
    const key = JSON.stringify([subject, group, verdict]);
    const link = all.get(key);
    if (link === undefined) all.set(key, { from: subject, to: group, verdict, count });
    else link.count += count;
  }
  const sorted = [...all.values()].sort(
    (a, b) => b.count - a.count || compare(a.from, b.from) || compare(a.to, b.to),
  );
  const rest = sorted.slice(MOST_LINKS);
  if (rest.length === 0) return sorted;
  const distinct = (side: 'from' | 'to'): number => new Set(rest.map((link) => link[side])).size;
  const from = `${REST}${formatCount(distinct('from'), 'subject')}`;
  const to = `${REST}${formatCount(distinct('to'), 'destination')}`;
  const ways = (Object.keys(WORDS) as Verdict[]).map((verdict) => ({
    from,
    to,
    verdict,
    count: rest.reduce((sum, link) => sum + (link.verdict === verdict ? link.count : 0), 0),
  }));
  return [...sorted.slice(0, MOST_LINKS), ...ways.filter(({ count }) => count > 0)];
}

const REST = 'the rest: ';

function isRest(name: string): boolean {
  return name.startsWith(REST);
}

function heightOf(side: ReadonlyMap<string, Node>): number {
  const last = [...side.values()].at(-1)!;
  return last.top + last.size;
}

/** Moves the ends of one side apart, so that both sides are of one height and ways are not steep. */
function spread(side: ReadonlyMap<string, Node>, room: number): void {
  const gap = room / Math.max(1, side.size - 1);
  for (const [index, node] of [...side.values()].entries()) node.top = node.next = node.top + index * gap;
}

/** By the square root of the number: else one busy way would leave nothing of the others. */
function thicknessOf(links: readonly Link[]): (link: Link) => number {
  const sum = links.reduce((total, { count }) => total + Math.sqrt(count), 0);
  return ({ count }) => Math.max(LEAST, (Math.sqrt(count) / sum) * HEIGHT);
}

/** The ends of ways on one side, one below the other: those of most connections first, or by where their ways begin. */
function stack(
  links: readonly Link[],
  side: 'from' | 'to',
  thickness: (link: Link) => number,
  place?: (link: Link) => number,
): Map<string, Node> {
  const nodes = new Map<string, Node & { weight: number }>();
  for (const link of links) {
    const node = nodes.get(link[side]) ?? { name: link[side], top: 0, size: 0, count: 0, next: 0, weight: 0 };
    node.size += thickness(link);
    node.count += link.count;
    node.weight += (place?.(link) ?? 0) * thickness(link);
    nodes.set(link[side], node);
  }
  const sorted = [...nodes.values()].sort((a, b) =>
    place === undefined ? b.count - a.count : a.weight / a.size - b.weight / b.size,
  );
  // What is left over stands last.
  const placed = [
    ...sorted.filter(({ name }) => !isRest(name)),
    ...sorted.filter(({ name }) => isRest(name)),
  ];
  let top = 2;
  for (const node of placed) {
    node.top = node.next = top;
    top += Math.max(node.size + GAP, LINE);
  }
  return new Map(placed.map((node) => [node.name, node]));
}

function bar(node: Node, x: number, labelAt: number, anchor: 'start' | 'end'): Markup {
  const { count, name, size, top } = node;
  const y = round(top + size / 2 + 4);
  return html`<rect class="end" x="${x}" y="${round(top)}" width="${BAR}" height="${round(size)}" />
    <text x="${labelAt}" y="${y}" text-anchor="${anchor}"
      ><title>${name}: ${formatNumber(count)}</title>${shorten(name, LETTERS)}</text
    >`;
}

function round(value: number): string {
  return value.toFixed(1);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
