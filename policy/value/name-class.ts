import { isGlob } from './name.ts';

/**
 * A character that no pattern holds. A text with it stands for all texts that differ only in what patterns
 * cannot tell apart.
 */
const FRESH = '\u0001';

/** Above this many, comparing is given up: patterns such as `*a*` can double the classes each. */
const MOST_CLASSES = 20_000;

/** Policies whose comparison would take too much memory or time. */
export class TooIntricate extends Error {
  override readonly name = 'TooIntricate';
}

/**
 * Texts of which one stands for every text, as far as the patterns distinguish: each pattern matches either
 * all or none of a class, and no class is empty. Commands must have been cut before. `border`: a character that no `*`
 * reaches across.
 */
export function nameClasses(patterns: readonly string[], border?: string): string[] {
  const globs = patterns.filter(isGlob);
  const texts = [...new Set(patterns.filter((pattern) => !isGlob(pattern)))].sort();
  if (globs.length === 0) return [...texts, FRESH];
  return witnesses([...new Set([...globs, ...texts])], border);
}

/**
 * Walks the automaton of all patterns at once, shortest texts first, and keeps the first text of each set of
 * patterns that match. A state is the set of places in patterns that a text can have reached.
 */
function witnesses(patterns: readonly string[], border: string | undefined): string[] {
  const found = new Map<string, string>();
  const start = patterns
    .map((_, index) => [index, 0] as Place)
    .flatMap((place) => skipStars(patterns, place));
  // Not the start itself: no name is empty, but `*` leads back to it.
  const seen = new Set<string>();
  let layer: { state: Place[]; text: string }[] = [{ state: start, text: '' }];
  while (layer.length > 0) {
    const next: typeof layer = [];
    for (const { state, text } of layer) {
      const signature = signatureOf(patterns, state);
      if (!found.has(signature) && text !== '') found.set(signature, text);
      for (const character of alphabet(patterns, state)) {
        const reached = state.flatMap((place) =>
          character === border && atStar(patterns, place) ? [] : step(patterns, place, character),
        );
        const key = stateKey(reached);
        if (seen.has(key)) continue;
        seen.add(key);
        next.push({ state: reached, text: text + character });
      }
      if (seen.size > MOST_CLASSES * 10 || found.size > MOST_CLASSES) {
        throw new TooIntricate('the name patterns overlap in too many ways to compare');
      }
    }
    layer = next;
  }
  return [...found.values()];
}

/** A pattern, and how many of its characters are behind. */
type Place = readonly [pattern: number, at: number];

function skipStars(patterns: readonly string[], place: Place): Place[] {
  const [pattern, at] = place;
  return patterns[pattern]![at] === '*' ? [place, ...skipStars(patterns, [pattern, at + 1])] : [place];
}

function atStar(patterns: readonly string[], [pattern, at]: Place): boolean {
  return patterns[pattern]![at] === '*';
}

function step(patterns: readonly string[], [pattern, at]: Place, character: string): Place[] {
  const expected = patterns[pattern]![at];
  if (expected === '*') return skipStars(patterns, [pattern, at]);
  return expected === character ? skipStars(patterns, [pattern, at + 1]) : [];
}

/** The characters that lead somewhere, and one for all others. */
function alphabet(patterns: readonly string[], state: readonly Place[]): Set<string> {
  const characters = new Set<string>();
  for (const [pattern, at] of state) {
    const character = patterns[pattern]![at];
    if (character !== undefined && character !== '*') characters.add(character);
  }
  return characters.add(FRESH);
}

/** The patterns that a text ending here matches. */
function signatureOf(patterns: readonly string[], state: readonly Place[]): string {
  const matched = state
    .filter(([pattern, at]) => at === patterns[pattern]!.length)
    .map(([pattern]) => pattern);
  return [...new Set(matched)].sort((a, b) => a - b).join();
}

function stateKey(state: readonly Place[]): string {
  return [...new Set(state.map(([pattern, at]) => `${pattern}:${at}`))].sort().join();
}
