import { editsBetween } from './change.ts';

/** A line of a difference: of both texts, of the one before or of the one after alone; or how many equal ones are left out. */
export type DiffLine = { kind: 'same' | 'gone' | 'come'; text: string } | { kind: 'skipped'; count: number };

/** Lines of both texts that are shown around a change. */
const AROUND = 3;

/** What differs between two texts, by lines; nothing where they are equal. */
export function diffOf(before: string, after: string): DiffLine[] {
  const lines = before.split('\n');
  const edits = editsBetween(lines, after.split('\n'));
  const result: DiffLine[] = [];
  let at = 0;
  for (const [begin, gone, come] of edits) {
    result.push(...between(lines.slice(at, begin), { first: at === 0, last: false }));
    at = begin + gone;
    result.push(
      ...lines.slice(begin, at).map((text) => ({ kind: 'gone' as const, text })),
      ...come.map((text) => ({ kind: 'come' as const, text })),
    );
  }
  if (result.length > 0) result.push(...between(lines.slice(at), { first: false, last: true }));
  return result;
}

/** Equal lines between two changes, or before the first and after the last. */
function between(lines: readonly string[], { first, last }: { first: boolean; last: boolean }): DiffLine[] {
  const head = first ? 0 : AROUND;
  const tail = last ? 0 : AROUND;
  const count = lines.length - head - tail;
  if (count <= 1) return same(lines);
  return [
    ...same(lines.slice(0, head)),
    { kind: 'skipped', count },
    ...same(tail === 0 ? [] : lines.slice(-tail)),
  ];
}

function same(lines: readonly string[]): DiffLine[] {
  return lines.map((text) => ({ kind: 'same', text }));
}
