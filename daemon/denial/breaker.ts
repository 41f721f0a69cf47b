import type { From } from '../../policy/meaning/policy.ts';
import { isGlob } from '../../policy/value/name.ts';
import type { Denial } from '../../profiler/record/denial.ts';

/** Who is denied too often. */
export interface TrippedSubject {
  /** `/usr/bin/curl, uid 1000, web.service`. */
  name: string;
  /** What a mode entry for it names: as little as can be said. */
  from: From;
}

/** Seconds in which denials are counted together. */
const WINDOW = 60;
/** Subjects that are counted at a time; the one that was denied first is forgotten for one more. */
const MOST_COUNTED = 1024;

/**
 * Counts what is blocked, to the second, for each subject: program, user, and container or unit. What has no program
 * with a name is not counted, nor is what was too much for the kernel side to tell apart: both stay blocked.
 */
export class Breaker {
  readonly #limit: number | undefined;
  readonly #now: () => number;
  readonly #counted = new Map<string, Count>();
  /** Called with a subject that has had too many denials, once a minute at the most. */
  open: (subject: TrippedSubject) => void = () => undefined;

  /** `limit`: how many denials a minute a subject may have; undefined: any number. `now`: seconds. */
  constructor(limit: number | undefined, now: () => number = () => performance.now() / 1000) {
    this.#limit = limit;
    this.#now = now;
  }

  add(denial: Denial): void {
    if (this.#limit === undefined || !denial.blocked) return;
    const subject = subjectOf(denial);
    if (subject === undefined) return;
    let count = this.#counted.get(subject.name);
    if (count === undefined) {
      if (this.#counted.size >= MOST_COUNTED) this.#counted.delete(this.#counted.keys().next().value!);
      this.#counted.set(subject.name, (count = new Count()));
    }
    const now = Math.floor(this.#now());
    if (now < count.quietUntil || count.add(denial.count, now) <= this.#limit) return;
    this.#counted.set(subject.name, new Count(now + WINDOW));
    this.open(subject);
  }
}

/** A sum over the last `WINDOW` seconds. */
class Count {
  /** Seconds: until then its subject is not counted, as it has just been found. */
  readonly quietUntil: number;
  readonly #seconds = new Float64Array(WINDOW);
  #sum = 0;
  #last = 0;

  constructor(quietUntil = 0) {
    this.quietUntil = quietUntil;
  }

  add(count: number, second: number): number {
    const passed = Math.min(Math.max(second - this.#last, 0), WINDOW);
    this.#last = Math.max(this.#last, second);
    for (let back = 0; back < passed; back += 1) {
      const at = (this.#last - back) % WINDOW;
      this.#sum -= this.#seconds[at]!;
      this.#seconds[at] = 0;
    }
    this.#seconds[this.#last % WINDOW]! += count;
    return (this.#sum += count);
  }
}

/** Undefined where a mode entry could not name it. */
function subjectOf(denial: Denial): TrippedSubject | undefined {
  const { image, uid } = denial;
  const { path, script } = image ?? {};
  const place = placeOf(denial);
  if (place === undefined || !isPlainPath(path)) return undefined;
  if (script && !isPlainPath(script)) return undefined;
  const [where] = Object.values(place).flat();
  return {
    name: [path, ...(script ? [script] : []), `uid ${uid}`, ...(where === undefined ? [] : [where])].join(
      ', ',
    ),
    from: { exe: [path], ...(script && { script: [script] }), uid: [uid], ...place },
  };
}

/**
 * Its container or unit. A container must have its name from root, since users of the host may choose the others
 * themselves. Undefined where it cannot be named.
 */
function placeOf({ image, inContainer }: Denial): Pick<From, 'container' | 'unit'> | undefined {
  const { container, unit } = image ?? {};
  if (inContainer || image?.inContainer) {
    return container?.known && isPlain(container.name) ? { container: [container.name] } : undefined;
  }
  if (unit === undefined) return {};
  return isPlain(unit) ? { unit: [unit] } : undefined;
}

/** No pattern, and nothing that no policy may hold. */
function isPlain(text: string | undefined): text is string {
  return text !== undefined && text !== '' && !isGlob(text) && !/\p{Cc}|\ufffd/u.test(text);
}

function isPlainPath(path: string | undefined): path is string {
  return isPlain(path) && path.startsWith('/') && !/\/(?:\.{0,2})(?:\/|$)/.test(path);
}
