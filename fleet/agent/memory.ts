import { join } from 'node:path';
import { readIfThere, writeDurable } from '../self/durable-file.ts';

/** From when on a revision judged, microseconds since the epoch. */
export interface RevisionSince {
  since: number;
  revision: number;
}

interface Remembered {
  /** Whose memory it is: what another host has sent, this one has not. */
  host: string;
  /** What was recorded before this moment a hub has stored; microseconds since the epoch, 0: nothing. */
  acknowledged: number;
  /** The engine that has stored it. */
  timeline: string;
  /** In order of time. */
  revisions: RevisionSince[];
}

const FILE = 'state.json';
const NOTHING: Omit<Remembered, 'host'> = { acknowledged: 0, timeline: '', revisions: [] };
/** More than a host gets in the time that is sent again. */
const MOST_REVISIONS = 1000;

/**
 * What an agent remembers of what it has sent. It may be lost, or be of an earlier moment: then more is sent again, which
 * does no harm.
 */
export class AgentMemory {
  readonly #path: string;
  #state: Remembered;

  /** `host`: its id in the fleet. */
  constructor(directory: string, host: string) {
    this.#path = join(directory, FILE);
    this.#state = { ...NOTHING, host, ...read(this.#path, host) };
  }

  get acknowledged(): number {
    return this.#state.acknowledged;
  }

  get timeline(): string {
    return this.#state.timeline;
  }

  get revisions(): readonly RevisionSince[] {
    return this.#state.revisions;
  }

  /** The revision that judged at a moment; 0: none of a fleet. */
  revisionAt(time: number): number {
    return this.#state.revisions.findLast(({ since }) => since <= time)?.revision ?? 0;
  }

  /** Never throws: what can't be stored is remembered until the end of the process. */
  acknowledge(until: number): void {
    this.#store({ acknowledged: until });
  }

  onTimeline(timeline: string): void {
    if (timeline !== this.#state.timeline) this.#store({ timeline });
  }

  /** A revision comes in force, 0 for none of a fleet; what was before `oldest` is forgotten. */
  judgedBy(revision: number, since: number, oldest: number): void {
    const { revisions } = this.#state;
    if (this.revisionAt(since) === revision) return;
    const last = revisions.findLastIndex((each) => each.since <= oldest);
    const kept = revisions.slice(Math.max(0, last)).slice(1 - MOST_REVISIONS);
    this.#store({ revisions: [...kept.filter((each) => each.since < since), { since, revision }] });
  }

  #store(change: Partial<Remembered>): void {
    this.#state = { ...this.#state, ...change };
    try {
      writeDurable(this.#path, `${JSON.stringify(this.#state)}\n`);
    } catch {
      // A full disk: what follows is stored with the next one.
    }
  }
}

function read(path: string, host: string): Partial<Remembered> {
  try {
    const bytes = readIfThere(path);
    const remembered = Object(JSON.parse(bytes?.toString('utf8') ?? '{}')) as Partial<Remembered>;
    const { acknowledged, revisions, timeline } = remembered;
    if (remembered.host !== host) return {};
    return {
      ...(Number.isSafeInteger(acknowledged) && { acknowledged: acknowledged! }),
      ...(typeof timeline === 'string' && { timeline }),
      ...(Array.isArray(revisions) && { revisions: revisions.filter(isRevision) }),
    };
  } catch {
    return {};
  }
}

function isRevision(value: unknown): value is RevisionSince {
  const { revision, since } = Object(value) as Partial<RevisionSince>;
  return Number.isSafeInteger(revision) && typeof since === 'number';
}
