import { BouhekiError } from '../../error/error.ts';
import type { Engine, ReleaseRow } from '../engine/engine.ts';
import { isReadable } from '../release/memory.ts';
import { step, type Step } from '../release/step.ts';
import type { HostView } from '../release/view.ts';

type Source = Pick<Engine, 'releases' | 'hosts' | 'placements' | 'denials' | 'advance'>;
type Denials = Awaited<ReturnType<Engine['denials']>>;

/** Between two looks of one leader, milliseconds: after more than this signs of life may be missing. */
const LONGEST_GAP = 60_000;
/** For which denials that were read are used again, milliseconds: hosts report them within 10 s. */
const DENIAL_AGE = 10_000;
/** More steps than any release takes at one moment. */
const MOST_STEPS = 8;

/**
 * Takes releases on, while this hub leads. What it remembers is only since when it has looked, and why releases wait: what
 * to do follows from what the engine has, so that another hub can go on at any moment.
 */
export class Leader {
  readonly #say: (text: string) => void;
  readonly #denials = new Map<number, { at: number; rows: Denials }>();
  #observedSince = 0;
  #lastLook: number | undefined;
  #looking: Promise<void> | undefined;
  #again = false;

  /** `say` is told what happened to a roll-out, lines. */
  constructor(say: (text: string) => void) {
    this.#say = say;
  }

  /**
   * Looks at the newest release of each workload; a call meanwhile has it look once more, for what it read may be old.
   * Rejects as the engine does; what is wrong with one release does not stop the others.
   */
  async lead(engine: Source, now: number): Promise<void> {
    this.#again = true;
    await (this.#looking ??= this.#leadAll(engine, now).finally(() => (this.#looking = undefined)));
  }

  async #leadAll(engine: Source, now: number): Promise<void> {
    while (this.#again) {
      this.#again = false;
      await this.#lead(engine, now);
    }
  }

  async #lead(engine: Source, now: number): Promise<void> {
    if (this.#lastLook === undefined || now - this.#lastLook > LONGEST_GAP || now < this.#lastLook) {
      this.#observedSince = now;
    }
    this.#lastLook = undefined;
    let failure: unknown;
    const releases = await engine.releases();
    // What only a newer hub can read waits until that one leads.
    for (const release of releases.filter(isReadable)) {
      try {
        await this.#take(engine, release, now);
      } catch (error) {
        if (error instanceof BouhekiError) throw error;
        failure ??= error;
      }
    }
    for (const id of this.#denials.keys()) {
      if (!releases.some((release) => release.id === id)) this.#denials.delete(id);
    }
    this.#lastLook = now;
    if (failure !== undefined) throw failure;
  }

  async #take(engine: Source, first: ReleaseRow, now: number): Promise<void> {
    let release = first;
    for (let steps = 0; steps < MOST_STEPS && release.state !== 'superseded'; steps++) {
      const views = await this.#look(engine, release, now);
      const next = step(release, views, { now, observedSince: this.#observedSince });
      if (Object.keys(next.change).length + next.placements.length === 0) return;
      // Another leader has acted, or an operator: what was decided here is worth nothing.
      if (!(await engine.advance(release, next.change, next.placements))) return;
      this.#report(release, next);
      release = changed(release, next);
    }
  }

  async #look(engine: Source, release: ReleaseRow, now: number): Promise<HostView[]> {
    const hasGates = release.state === 'running' || release.state === 'paused';
    const [hosts, placements, denials] = await Promise.all([
      engine.hosts(release.workload),
      engine.placements(release.id),
      hasGates ? this.#denialsOf(engine, release.id, now) : [],
    ]);
    const placementOf = new Map(placements.map((placement) => [placement.host, placement]));
    const denialsOf = new Map(denials.map((each) => [each.host, each]));
    return hosts.map((host) => {
      return { host, placement: placementOf.get(host.id), denials: denialsOf.get(host.id) };
    });
  }

  async #denialsOf(engine: Source, release: number, now: number): Promise<Denials> {
    const known = this.#denials.get(release);
    if (known && now >= known.at && now - known.at < DENIAL_AGE) return known.rows;
    const rows = await engine.denials(release);
    this.#denials.set(release, { at: now, rows });
    return rows;
  }

  #report({ revision, stage, state, workload }: ReleaseRow, { change }: Step): void {
    const after = change.state ?? state;
    if (after === state && (change.stage ?? stage) === stage) return;
    const where = after === 'running' ? `stage ${(change.stage ?? stage) + 1}` : after;
    const why = change.reason ? `: ${change.reason}` : '';
    this.#say(`Release ${revision} of ${workload} is ${after === 'running' ? `in ${where}` : where}${why}\n`);
  }
}

function changed(release: ReleaseRow, { change }: Step): ReleaseRow {
  return { ...release, ...change };
}
