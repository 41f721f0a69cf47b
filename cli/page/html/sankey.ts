import { visible } from '../../../error/visible.ts';
import { cutToWidth, displayWidth } from '../../../format/display-width.ts';
import { formatCount, formatNumber } from '../../../format/number.ts';
import type { PageFlow, Verdict } from './page-data.ts';
import { html, type Markup } from './markup.ts';

/** Ways that are drawn by themselves; the rest is drawn as one of each verdict. */
const MOST_LINKS = 40;
/** Of a picture, in its own units, which are pixels where there is room. */
const BAR = 8;
const GAP = 10;
const LEAST = 3;
/** From one line of letters to the next, and what of it is above where letters stand. */
const LINE = 18;
const ASCENT = 13;
/** What is shared among the ways beside that. */
const HEIGHT = 360;

/** How a picture is laid out: the style sheet shows the one that the window has room for. */
interface Shape {
  name: 'wide' | 'narrow';
  width: number;
  /** What the names on each side have to themselves; with none they stand on the ways. */
  margin: number;
  /** Columns and lines of a name. */
  columns: number;
  lines: 1 | 2;
}

const SHAPES: readonly Shape[] = [
  { name: 'wide', width: 960, margin: 330, columns: 44, lines: 1 },
  { name: 'narrow', width: 360, margin: 0, columns: 24, lines: 2 },
];

interface Link {
  from: string;
  to: string;
  verdict: Verdict;
  count: number;
}

interface Node {
  name: string;
  label: string[];
  /** Of its bar, below the upper edge. */
  top: number;
  size: number;
  count: number;
  /** Where the next way begins. */
  next: number;
}

/** The ends of ways on one side, one below the other. */
interface Side {
  nodes: ReadonlyMap<string, Node>;
  height: number;
}

/** Who talks to what, as a picture: the 40 ways of most connections, and the rest as one of each verdict. */
export function sankey(flows: readonly PageFlow[]): Markup {
  const links = linksOf(flows);
  if (links.length === 0) return html`<p class="quiet">Nothing was recorded.</p>`;
  return html`${SHAPES.map((shape) => picture(links, shape))}`;
}

function picture(links: readonly Link[], shape: Shape): Markup {
  const thickness = thicknessOf(links);
  const left = stack(links, 'from', { shape, thickness });
  const right = stack(links, 'to', { shape, thickness, place: (link) => left.nodes.get(link.from)!.top });
  const height = Math.max(left.height, right.height);
  for (const side of [left, right]) spread(side, height - side.height);
  const start = shape.margin + BAR;
  const end = shape.width - start;
  const middle = (start + end) / 2;
  // In the order of where they end, so that ways of one subject do not cross.
  const ordered = links.toSorted((a, b) => right.nodes.get(a.to)!.top - right.nodes.get(b.to)!.top);
  const ways = ordered.map((link) => {
    const size = thickness(link);
    const [a, b] = [left.nodes.get(link.from)!, right.nodes.get(link.to)!];
    const [y1, y2] = [a.next + size / 2, b.next + size / 2];
    a.next += size;
    b.next += size;
    const path = `M${start} ${round(y1)}C${middle} ${round(y1)} ${middle} ${round(y2)} ${end} ${round(y2)}`;
    const title = `${link.from} → ${link.to}: ${formatCount(link.count, 'connection')}${WORDS[link.verdict]}`;
    return html`<path class="way ${link.verdict}" d="${path}" stroke-width="${round(size)}"
      ><title>${title}</title></path
    >`;
  });
  const isOutside = shape.margin > 0;
  const bars = [
    ...[...left.nodes.values()].map((node) =>
      bar(
        node,
        start - BAR,
        isOutside ? { x: start - BAR - 8, anchor: 'end' } : { x: start + 4, anchor: 'start' },
      ),
    ),
    ...[...right.nodes.values()].map((node) =>
      bar(node, end, isOutside ? { x: end + BAR + 8, anchor: 'start' } : { x: end - 4, anchor: 'end' }),
    ),
  ];
  return html`<svg
    class="sankey ${shape.name}"
    viewBox="0 0 ${shape.width} ${round(height)}"
    role="img"
    aria-label="The ${links.length} ways of most connections, from subjects to destinations; the table below has their numbers"
  >
    <g fill="none">${ways}</g>
    ${bars}
  </svg>`;
}

const WORDS: Readonly<Record<Verdict, string>> = { allow: '', deny: ', denied', noted: ', would be denied' };

function linksOf(flows: readonly PageFlow[]): Link[] {
  const all = joined(flows);
  const most = mostOf(all);
  if (most.length === all.length) return most;
  const own = new Set(most);
  const rest = all.filter((link) => !own.has(link));
  const distinct = (side: 'from' | 'to'): number => new Set(rest.map((link) => link[side])).size;
  const from = `${REST}${formatCount(distinct('from'), 'subject')}`;
  const to = `${REST}${formatCount(distinct('to'), 'destination')}`;
  const ways = (Object.keys(WORDS) as Verdict[]).map((verdict) => ({
    from,
    to,
    verdict,
    count: rest.reduce((sum, link) => sum + (link.verdict === verdict ? link.count : 0), 0),
  }));
  return [...most, ...ways.filter(({ count }) => count > 0)];
}

/** Flows of one verdict from one subject to one group as one. There may be 100,000: no text is made for each. */
function joined(flows: readonly PageFlow[]): Link[] {
  const links: Link[] = [];
  const found: Record<Verdict, Map<string, Map<string, Link>>> = {
    allow: new Map(),
    deny: new Map(),
    noted: new Map(),
  };
  for (const { count, group, subject, verdict } of flows) {
    const ways = found[verdict];
    let groups = ways.get(subject);
    if (groups === undefined) ways.set(subject, (groups = new Map()));
    const known = groups.get(group);
    if (known !== undefined) known.count += count;
    else {
      const link = { from: subject, to: group, verdict, count };
      groups.set(group, link);
      links.push(link);
    }
  }
  return links;
}

/** Those that are drawn by themselves, in order; sorting all of 100,000 took longer than all else about the picture. */
function mostOf(links: readonly Link[]): Link[] {
  const most: Link[] = [];
  for (const link of links) {
    if (most.length === MOST_LINKS && inOrder(most.at(-1)!, link) <= 0) continue;
    const at = most.findIndex((each) => inOrder(link, each) < 0);
    most.splice(at < 0 ? most.length : at, 0, link);
    if (most.length > MOST_LINKS) most.pop();
  }
  return most;
}

function inOrder(a: Link, b: Link): number {
  return b.count - a.count || compare(a.from, b.from) || compare(a.to, b.to);
}

const REST = 'the rest: ';

function isRest(name: string): boolean {
  return name.startsWith(REST);
}

/** Moves the ends of one side apart, so that both sides are of one height and ways are not steep. */
function spread({ nodes }: Side, room: number): void {
  const gap = room / Math.max(1, nodes.size - 1);
  for (const [index, node] of [...nodes.values()].entries()) node.top = node.next = node.top + index * gap;
}

/** By the square root of the number: else one busy way would leave nothing of the others. */
function thicknessOf(links: readonly Link[]): (link: Link) => number {
  const sum = links.reduce((total, { count }) => total + Math.sqrt(count), 0);
  return ({ count }) => Math.max(LEAST, (Math.sqrt(count) / sum) * HEIGHT);
}

interface Stacking {
  shape: Shape;
  thickness: (link: Link) => number;
  /** Where a way begins; else the order is by connections. */
  place?: (link: Link) => number;
}

/** The ends of ways on one side: those of most connections first, or by where their ways begin. */
function stack(links: readonly Link[], side: 'from' | 'to', { place, shape, thickness }: Stacking): Side {
  const nodes = new Map<string, Node & { weight: number }>();
  for (const link of links) {
    const name = link[side];
    const node = nodes.get(name) ?? {
      name,
      label: labelOf(name, shape),
      top: 0,
      size: 0,
      count: 0,
      next: 0,
      weight: 0,
    };
    node.size += thickness(link);
    node.count += link.count;
    node.weight += (place?.(link) ?? 0) * thickness(link);
    nodes.set(name, node);
  }
  const sorted = [...nodes.values()].sort((a, b) =>
    place === undefined ? b.count - a.count : a.weight / a.size - b.weight / b.size,
  );
  // What is left over stands last.
  const placed = [
    ...sorted.filter(({ name }) => !isRest(name)),
    ...sorted.filter(({ name }) => isRest(name)),
  ];
  let height = 0;
  for (const node of placed) {
    const slot = Math.max(node.size + GAP, node.label.length * LINE + (shape.lines - 1) * GAP);
    node.top = node.next = height + (slot - node.size) / 2;
    height += slot;
  }
  return { nodes: new Map(placed.map((node) => [node.name, node])), height };
}

/** A name in as many lines as it needs, the last one cut where they are too few. */
function labelOf(name: string, { columns, lines }: Shape): string[] {
  const text = visible(name);
  if (lines === 1 || displayWidth(text) <= columns) return [cutToWidth(text, columns)];
  const most = cutToWidth(text, columns + 1).slice(0, -1);
  const edge = most.search(/[ /.:][^ /.:]*$/);
  const first = most.slice(0, edge > columns / 3 ? edge : most.length);
  return [first, cutToWidth(text.slice(first.length).trimStart(), columns)];
}

function bar(node: Node, x: number, label: { x: number; anchor: 'start' | 'end' }): Markup {
  const { count, name, size, top } = node;
  const first = top + size / 2 + ASCENT - (node.label.length * LINE) / 2;
  const lines = node.label.map(
    (line, at) => html`<tspan x="${label.x}" y="${round(first + at * LINE)}">${line}</tspan>`,
  );
  return html`<rect class="end" x="${x}" y="${round(top)}" width="${BAR}" height="${round(size)}" />
    <text text-anchor="${label.anchor}"><title>${name}: ${formatNumber(count)}</title>${lines}</text>`;
}

function round(value: number): string {
  return value.toFixed(1);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
