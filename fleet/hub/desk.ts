import type { KeyObject } from 'node:crypto';
import type { Engine, HostRow, PlacementRow, ReleaseRow } from '../engine/engine.ts';
import { visible } from '../../error/visible.ts';
import { isReadable, manifestOf } from '../release/memory.ts';
import { type Held, wanted } from '../release/wanted.ts';
import { signPlacement } from '../wire/manifest.ts';
import type { Offer } from '../wire/message.ts';

/** Texts of policies that are kept in memory: a roll-out has two. */
const BODIES = 16;

/** What a host is to hold, and by which release. */
export interface Wanted {
  held: Held;
  release: ReleaseRow;
  placement: PlacementRow | undefined;
}

type Source = Pick<Engine, 'hosts' | 'releases' | 'placements' | 'body'>;

/** What the engine said last: hosts, releases, and who is to hold which. Nothing here is kept that it does not have. */
export class Desk {
  readonly #engine: Source;
  readonly #say: (text: string) => void;
  /** Releases of a form that this hub does not know, of which it has said so. */
  readonly #unread = new Set<number>();
  #hosts = new Map<string, HostRow>();
  #releases = new Map<string, ReleaseRow>();
  #placements = new Map<string, PlacementRow>();
  /** Since the engine was last asked. */
  #noted: PlacementRow[] = [];
  readonly #bodies = new Map<string, Buffer>();

  constructor(engine: Source, say: (text: string) => void) {
    this.#engine = engine;
    this.#say = say;
  }

  /**
   * Asks anew; throws what the engine throws, and then what was known stays. What hosts have answered meanwhile, and what is
   * not written yet, stays as well: the engine may have been asked before it had that.
   */
  async refresh(unwritten: Iterable<PlacementRow>): Promise<void> {
    const noted = (this.#noted = [...unwritten]);
    const [hosts, releases] = await Promise.all([this.#engine.hosts(), this.#engine.releases()]);
    const live = releases.filter(({ state }) => state !== 'superseded');
    const placements = await Promise.all(live.map(({ id }) => this.#engine.placements(id)));
    this.#hosts = new Map(hosts.map((host) => [host.id, host]));
    const readable = live.filter((release) => this.#reads(release));
    this.#releases = new Map(readable.map((release) => [release.workload, release]));
    this.#placements = new Map(placements.flat().map((each) => [`${each.release} ${each.host}`, each]));
    for (const each of noted) this.#put(each);
  }

  /** A hub of another version may have published it: then it is for that one to offer. */
  #reads(release: ReleaseRow): boolean {
    const { id, revision, workload } = release;
    if (isReadable(release)) return true;
    if (!this.#unread.has(id)) {
      this.#unread.add(id);
      this.#say(
        `Release ${revision} of ${visible(workload)} has a form that this hub does not know, and is not offered by it: ` +
          'it needs the version of the hub that published it.\n',
      );
    }
    return false;
  }

  get hosts(): ReadonlyMap<string, HostRow> {
    return this.#hosts;
  }

  /** A host that has come since. */
  add(host: HostRow): void {
    this.#hosts.set(host.id, host);
  }

  /** What was answered. */
  note(placement: PlacementRow): void {
    this.#noted.push(placement);
    this.#put(placement);
  }

  #put(placement: PlacementRow): void {
    const key = `${placement.release} ${placement.host}`;
    const known = this.#placements.get(key);
    if (known?.side === placement.side && known.mode === placement.mode && known.stage === placement.stage) {
      this.#placements.set(key, placement);
    }
  }

  /** Undefined: it keeps what it has. */
  wanted(hostId: string, now: number): Wanted | undefined {
    const host = this.#hosts.get(hostId);
    const release = host?.workload === undefined ? undefined : this.#releases.get(host.workload);
    if (release === undefined) return undefined;
    const placement = this.#placements.get(`${release.id} ${hostId}`);
    // After its time no host would take it newly; one that has it can still go back.
    const isOver = Date.parse(manifestOf(release).notAfter) <= now;
    if (isOver && placement?.side !== 'previous') return undefined;
    const held = wanted(release, placement);
    return held && { held, release, placement };
  }

  /** The text of a policy; undefined where the engine has none of this digest. */
  async body(digest: string): Promise<Buffer | undefined> {
    const known = this.#bodies.get(digest);
    if (known !== undefined) return known;
    const body = await this.#engine.body(Buffer.from(digest, 'hex'));
    if (body === undefined) return undefined;
    const [oldest] = this.#bodies.keys();
    if (this.#bodies.size >= BODIES) this.#bodies.delete(oldest!);
    this.#bodies.set(digest, body);
    return body;
  }
}

/** An offer to a host, with the hub's signature of what this host is to hold. */
export function offerOf(
  { held, placement, release }: Wanted,
  to: { hostId: string; nonce: string; body: Buffer },
  hubKey: KeyObject,
  now: number,
): Offer {
  const signed = signPlacement(
    {
      format: 1,
      workload: release.workload,
      revision: release.revision,
      host: to.hostId,
      digest: held.digest,
      mode: held.mode,
      stage: placement?.stage ?? -1,
      time: new Date(now).toISOString(),
    },
    hubKey,
  );
  return {
    nonce: to.nonce,
    manifest: release.manifest,
    manifestSignatures: release.signatures,
    ...signed,
    body: to.body,
  };
}
