import { printJson } from '../../error/visible.ts';
import { decidedOf, itemKey, type Decided } from './decision.ts';

/** From a line on, counted from 0, so many lines give way to others. */
export type Edit = [line: number, count: number, lines: string[]];

/**
 * How one answer changed the text of a policy, as a line of a file of decisions. It can be taken back for as long as
 * nothing else has changed that text.
 */
export interface Change {
  of: readonly Decided[];
  /** SHA-256 of the text after it, in hexadecimal. */
  digest: string;
  /** Make that text the one before, from its end. */
  back: Edit[];
}

/** Lines within which two texts must have one in common again. */
const LOOK_AHEAD = 400;

/** `digest` is that of `after`. */
export function changeBetween(
  before: string,
  after: string,
  { digest, of }: { of: readonly Decided[]; digest: string },
): Change {
  return {
    of: of.map(decidedOf),
    digest,
    back: editsBetween(after.split('\n'), before.split('\n')).toReversed(),
  };
}

/** The text before a change, of the one that the change has left. */
export function textBefore({ back }: Change, text: string): string {
  let lines = text.split('\n');
  for (const [at, count, others] of back) {
    // More lines than a call can have arguments may come back.
    lines = lines.slice(0, at).concat(others, lines.slice(at + count));
  }
  return lines.join('\n');
}

export function printChange({ back, digest, of }: Change): string {
  return `${printJson({ change: { of, digest, back } })}\n`;
}

/**
 * The last change of a file of decisions that `undo` has not taken back; undefined where there is none, or none that
 * can be read. The file was read by `parseDecisions` before.
 */
export function lastChange(text: string): Change | undefined {
  let changes: unknown[] = [];
  for (const line of text.split('\n')) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const { change, decision, ...decided } = JSON.parse(line) as Decided & {
      change?: unknown;
      decision: string;
    };
    if (change !== undefined) changes.push(change);
    else if (decision === 'undo') {
      const key = itemKey(decided);
      changes = changes.filter(
        (each) => !isChange(each) || !each.of.some((decided) => itemKey(decided) === key),
      );
    }
  }
  const last = changes.at(-1);
  return isChange(last) ? last : undefined;
}

function isChange(value: unknown): value is Change {
  const { back, digest, of } = Object(value) as Record<string, unknown>;
  return isText(digest) && isListOf(of, isDecided) && isListOf(back, isEdit);
}

function isDecided(value: unknown): boolean {
  const { destination, from, rule } = Object(value) as Record<string, unknown>;
  return isText(rule) && isText(destination) && (from === undefined || isText(from));
}

function isEdit(value: unknown): boolean {
  if (!Array.isArray(value)) return false;
  const [at, count, lines] = value as unknown[];
  return [at, count].every(Number.isSafeInteger) && isListOf(lines, isText);
}

function isListOf(value: unknown, fits: (each: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(fits);
}

function isText(value: unknown): boolean {
  return typeof value === 'string';
}

/** What makes the lines of one text those of another, in order. */
export function editsBetween(from: readonly string[], to: readonly string[]): Edit[] {
  const edits: Edit[] = [];
  let at = 0;
  let on = 0;
  while (at < from.length || on < to.length) {
    if (from[at] === to[on]) {
      at++;
      on++;
      continue;
    }
    const [gone, come] = nextInCommon(from.slice(at), to.slice(on));
    edits.push([at, gone, to.slice(on, on + come)]);
    at += gone;
    on += come;
  }
  return edits;
}

/** How many lines of each text stand before the next that both have, or before the end of both. */
function nextInCommon(from: readonly string[], to: readonly string[]): [number, number] {
  for (let sum = 1; sum <= LOOK_AHEAD; sum++) {
    for (let gone = 0; gone <= sum; gone++) {
      const come = sum - gone;
      if (gone <= from.length && come <= to.length && from[gone] === to[come]) return [gone, come];
    }
  }
  return [from.length, to.length];
}
