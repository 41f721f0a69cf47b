import { formatTime } from '../../../format/moment.ts';
import { type Address, formatAddress } from '../../../policy/value/address.ts';
import type { Flow } from '../../../policy/meaning/policy.ts';
import { destinationAddress } from '../../destination/destination.ts';
import type { Allowed, Case } from '../drift.ts';
import type { Refinement } from './entry-finding.ts';
import type { DriftObservation } from '../entry.ts';

/** Who has published an address as one of theirs; undefined where that is not known. */
export type OwnerOf = (address: Address) => string | undefined;

/**
 * Recognises what has taken the place of something that is allowed: another address that a subject goes to at the same
 * port (`moved`), or another program that goes where an allowed one went (`identity changed`). Either it is alike (the
 * same name, owner or small block; another version of the program or its image), or it is the only successor that there
 * can be: what it replaces was one alone, and has been silent since. Anything else is new.
 */
export class Successions {
  readonly #bySubject = new Map<string, Allowed[]>();
  readonly #byDestination = new Map<string, Allowed[]>();
  readonly #ownerOf: OwnerOf;
  /** What something has taken the place of, as far as cases were asked about. */
  readonly replaced = new Set<DriftObservation>();

  constructor(allowed: readonly Allowed[], ownerOf: OwnerOf = () => undefined) {
    this.#ownerOf = ownerOf;
    for (const each of allowed) {
      if (each.flow.socket !== undefined || each.box === undefined) continue;
      push(this.#bySubject, subjectKey(each), each);
      push(this.#byDestination, destinationKey(each.flow), each);
    }
  }

  /** What is known of a case that is not allowed; undefined where it takes no place. */
  refine(each: Case): Refinement | undefined {
    if (each.flow.socket !== undefined || (each.part !== 'new' && each.part !== 'denied')) return undefined;
    // What a deny rule names succeeds nothing.
    if (each.entry.rule?.relation === 'denied by') return undefined;
    return this.#changedIdentity(each) ?? this.#moved(each);
  }

  #moved(each: Case): Refinement | undefined {
    const others = this.#bySubject.get(subjectKey(each)) ?? [];
    for (const other of others) {
      const like = this.#addressLikeness(each, other);
      if (like !== undefined)
        return this.#refinement('moved', [other], `was at ${addressOf(other)}: ${like}`);
    }
    if (new Set(others.map(addressOf)).size !== 1) return undefined;
    return this.#afterSilence('moved', each, others, `at ${addressOf(others[0]!)}`);
  }

  #changedIdentity(each: Case): Refinement | undefined {
    const others = (this.#byDestination.get(destinationKey(each.flow)) ?? []).filter(({ flow }) =>
      isOtherProgram(flow, each.flow),
    );
    for (const other of others) {
      const like = programLikeness(other.flow, each.flow);
      if (like !== undefined)
        return this.#refinement('identity changed', [other], `was ${other.party.name}: ${like}`);
    }
    if (new Set(others.map(({ party }) => party.key)).size !== 1) return undefined;
    return this.#afterSilence('identity changed', each, others, others[0]!.party.name);
  }

  /** The only successor: nothing has been seen of what it replaces since it began. */
  #afterSilence(
    kind: Refinement['kind'],
    { entry }: Case,
    others: readonly Allowed[],
    what: string,
  ): Refinement | undefined {
    const last = others.reduce((latest, { observation }) => Math.max(latest, observation.last), 0);
    if (last >= entry.first) return undefined;
    return this.#refinement(kind, others, `was ${what}, silent since ${formatTime(last)}`);
  }

  #refinement(kind: Refinement['kind'], others: readonly Allowed[], evidence: string): Refinement {
    for (const { observation } of others) this.replaced.add(observation);
    return { kind, evidence: [evidence] };
  }

  /** In words what the address of a case has in common with an allowed one. */
  #addressLikeness({ entry, flow }: Case, { flow: allowed, observation }: Allowed): string | undefined {
    const name = entry.names?.find((each) => observation.names?.includes(each));
    if (name !== undefined) return `both are ${name}`;
    if (isNear(flow.address, allowed.address))
      return flow.address.family === 4 ? 'the same /24' : 'the same /64';
    const owner = this.#ownerOf(flow.address);
    return owner !== undefined && owner === this.#ownerOf(allowed.address)
      ? `both are of ${owner}`
      : undefined;
  }
}

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const known = map.get(key);
  if (known === undefined) map.set(key, [value]);
  else known.push(value);
}

function subjectKey({ flow, party }: Pick<Case, 'flow' | 'party'>): string {
  return `${party.key}\0${flow.port}\0${flow.protocol}`;
}

function destinationKey({ address, port, protocol }: Flow): string {
  return `${formatAddress(address)}\0${port}\0${protocol}`;
}

function addressOf({ observation }: Allowed): string {
  return formatAddress(destinationAddress(observation));
}

/** Whether two addresses are in one small block, of which a host rarely has more than one. */
function isNear(a: Address, b: Address): boolean {
  const shift = a.family === 4 ? 8n : 64n;
  return a.family === b.family && a.value >> shift === b.value >> shift;
}

/** Whether it is the program that differs, and not its user alone. */
function isOtherProgram(a: Flow, b: Flow): boolean {
  if (a.inContainer !== b.inContainer) return false;
  return a.exe !== b.exe || a.script !== b.script || a.image !== b.image;
}

/** In words what two programs have in common. */
function programLikeness(a: Flow, b: Flow): string | undefined {
  if (a.image !== b.image) {
    const same =
      a.image !== undefined && b.image !== undefined && repository(a.image) === repository(b.image);
    return same ? 'another tag of its image' : undefined;
  }
  if (a.script !== undefined && a.script === b.script) return 'the same script under another interpreter';
  for (const file of ['script', 'exe'] as const) {
    const [before, after] = [a[file], b[file]];
    if (before === undefined || after === undefined || before === after) continue;
    if (withoutVersions(before) === withoutVersions(after)) return `another version of its ${WORDS[file]}`;
    if (baseName(before) === baseName(after)) return `its ${WORDS[file]} has the same name`;
  }
  return undefined;
}

const WORDS = { exe: 'executable', script: 'script' };

/** `registry:5000/app` of `registry:5000/app:1.2@sha256:...`. */
function repository(image: string): string {
  return image.replace(/@.*$/, '').replace(/:[^/:]*$/, '');
}

/** A path in which every number with what hangs on it is one sign. */
function withoutVersions(path: string): string {
  return path.replace(/\d+(?:[._+~-]*\d+)*/g, '#');
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
