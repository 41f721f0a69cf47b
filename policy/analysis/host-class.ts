import { isLabel } from '../meaning/host.ts';
import { joinSpans, type Span } from '../value/span.ts';

/** A host of which neither name nor labels are known. */
export const HOST_UNKNOWN: Span = { first: 0n, last: 0n };

/** Where the classes begin of which something is listed; before them is a host with nothing that is listed. */
const FIRST = 2;

/** The dimension of hosts for policies that list these texts, and the part of it that each text selects. */
export function hostSpans(texts: ReadonlySet<string>): { all: Span[]; byText: Map<string, Span[]> } {
  const classes = classesOf([...texts]);
  const holding = (text: string) =>
    classes.flatMap((held, index) => {
      const at = BigInt(index + FIRST);
      return held.includes(text) ? [{ first: at, last: at }] : [];
    });
  return {
    all: [{ first: 0n, last: BigInt(classes.length + FIRST - 1) }],
    byText: new Map([...texts].map((text) => [text, joinSpans(holding(text))])),
  };
}

/**
 * What a host may have of the texts, as far as that matters: one of them, or two that it can have at once. A host has one
 * name, and one value of a label. More than two need not be looked at: where one policy allows by a text what another
 * does not, the other does not allow it by that text either, or denies it by one more.
 */
function classesOf(texts: readonly string[]): string[][] {
  return texts.flatMap((text, at) => [
    [text],
    ...texts.slice(at + 1).flatMap((other) => (keyOf(text) === keyOf(other) ? [] : [[text, other]])),
  ]);
}

function keyOf(text: string): string {
  return isLabel(text) ? text.slice(0, text.indexOf('=') + 1) : '';
}
