import { ProcessFlag } from '../../bpf/wire.ts';
import { visible } from '../../error/visible.ts';
import { compileEvaluator } from '../../policy/meaning/evaluator.ts';
import { isJudged } from '../../policy/meaning/evaluate.ts';
import { recordedNames } from '../../policy/meaning/known-name.ts';
import { stops } from '../../policy/meaning/mode.ts';
import type { AccountTable, Flow, Policy, Verdict as Judgement } from '../../policy/meaning/policy.ts';
import { canonicalAddress, formatAddress } from '../../policy/value/address.ts';
import { formatOpening } from '../../policy/value/opening.ts';
import { formatProtocol, hasPorts } from '../../policy/value/protocol.ts';
import { type EventBatch, Operation, Verdict } from '../../profiler/event/batch.ts';
import { type EVENT, Known, type Values } from '../../profiler/event/columns.ts';
import { socketKindOf } from '../../profiler/event/socket-kind.ts';
import type { FoldedRow } from '../../profiler/event/dimension.ts';
import type { ShadowStatus } from '../../profiler/serve/live-status.ts';
import type { EventTap, TapListener, TappedProcess } from './event-tap.ts';

/** A policy that is counted and not put in force. */
export interface Candidate {
  /** With the paths that processes have. */
  policy: Policy;
  hash: string;
  file: string;
  /** What this host calls the users and groups that it names. */
  accounts: AccountTable;
}

/** Subjects that are counted apart; what others differ in counts together. */
const MOST_SUBJECTS = 1024;
/** Of these the ones that a status names. */
const SHOWN = 10;
/** Subjects whose first difference is said. */
const MOST_NOTES = 100;
/** Verdicts that are remembered, for a second at the most: names, containers and ends of rules come and go. */
const MOST_REMEMBERED = 65_536;

/** An event by the rows of a tap. */
type Row = Omit<Values<typeof EVENT>, 'time' | 'box' | 'span'>;

/** By what an event is judged. */
interface Judged {
  flow: Flow;
  denies: boolean;
}

const UNKNOWN_SUBJECTS = '(others)';

/**
 * Judges by a candidate what the kernel has judged, by what is recorded of it, and counts where the two differ. It stops
 * nothing, and what becomes of it changes nothing of enforcement.
 */
export class Shadow implements TapListener {
  readonly #tap: EventTap;
  readonly #say: (text: string) => void;
  readonly #now: () => number;
  #candidate: Candidate;
  #judge: (flow: Flow) => Judgement;
  #remembered = new Map<string, Judged | undefined>();
  #second = 0;
  #notes = 0;
  #counts: Omit<ShadowStatus, 'file' | 'policyHash' | 'subjects'>;
  #subjects = new Map<string, { denies: number; allows: number }>();

  /** `now`: microseconds since the epoch. `say` is given a line for the first difference of a subject. */
  constructor(
    tap: EventTap,
    candidate: Candidate,
    say: (text: string) => void,
    now: () => number = () => Date.now() * 1000,
  ) {
    this.#tap = tap;
    this.#say = say;
    this.#now = now;
    this.#candidate = candidate;
    this.#judge = compileEvaluator(candidate.policy);
    this.#counts = nothingSince(now());
  }

  /** Counts another candidate from now on, or the same one anew where its text is another. */
  replace(candidate: Candidate): void {
    const isSame = candidate.hash === this.#candidate.hash;
    this.#candidate = candidate;
    this.#judge = compileEvaluator(candidate.policy);
    this.#remembered.clear();
    if (isSame) return;
    this.#counts = nothingSince(this.#now());
    this.#subjects = new Map();
    this.#notes = 0;
  }

  get candidate(): Candidate {
    return this.#candidate;
  }

  get status(): ShadowStatus {
    const { file, hash } = this.#candidate;
    const subjects = [...this.#subjects].map(([subject, counts]) => Object.assign({ subject }, counts));
    subjects.sort((a, b) => b.denies + b.allows - a.denies - a.allows || (a.subject < b.subject ? -1 : 1));
    return { file, policyHash: hash, ...this.#counts, subjects: subjects.slice(0, SHOWN) };
  }

  /** What was judged before this candidate came is none of its business. */
  batch({ columns, length }: EventBatch): void {
    for (let row = 0; row < length; row += 1) {
      if (Number(columns.time[row]) < this.#counts.since) continue;
      this.#count({
        process: columns.process[row]!,
        command: columns.command[row]!,
        credential: columns.credential[row]!,
        family: columns.family[row]!,
        addressHigh: columns.addressHigh[row]!,
        addressLow: columns.addressLow[row]!,
        port: columns.port[row]!,
        protocol: columns.protocol[row]!,
        operation: columns.operation[row]!,
        verdict: columns.verdict[row]!,
        names: columns.names[row]!,
        known: columns.known[row]!,
        age: columns.age[row]!,
        count: columns.count[row]!,
      });
    }
  }

  folded(row: FoldedRow): void {
    if (row.first >= this.#counts.since) this.#count(row);
  }

  #count(row: Row): void {
    if (row.operation === Operation.intent) return;
    const judged = this.#judged(row);
    if (judged === undefined) {
      this.#counts.unknown += row.count;
      return;
    }
    this.#counts.judged += row.count;
    const isDenied = row.verdict !== Verdict.allow;
    if (judged.denies === isDenied) return;
    const difference = judged.denies ? 'denies' : 'allows';
    this.#counts[difference] += row.count;
    this.#countSubject(subjectText(judged.flow), difference, row.count, judged.flow);
  }

  #countSubject(name: string, difference: 'denies' | 'allows', count: number, flow: Flow): void {
    const known = this.#subjects.get(name);
    const key = known === undefined && this.#subjects.size >= MOST_SUBJECTS ? UNKNOWN_SUBJECTS : name;
    const counts = known ?? this.#subjects.get(key) ?? { denies: 0, allows: 0 };
    const isFirst = counts[difference] === 0;
    counts[difference] += count;
    this.#subjects.set(key, counts);
    if (!isFirst || this.#notes >= MOST_NOTES) return;
    this.#notes += 1;
    const what = difference === 'denies' ? 'would deny what is allowed' : 'would allow what is denied';
    const last =
      this.#notes === MOST_NOTES ? ' Of further subjects nothing is said; status counts them.' : '';
    // Programs and containers are called as their users like.
    const text = visible(
      `Shadow: ${this.#candidate.file} ${what}: ${name} to ${destinationText(flow)}.${last}`,
    );
    this.#say(`${text}\n`);
  }

  /** Undefined where the process is not known, or what it is called is forgotten. */
  #judged(row: Row): Judged | undefined {
    const second = Math.floor(this.#now() / 1e6);
    if (second !== this.#second || this.#remembered.size >= MOST_REMEMBERED) this.#remembered.clear();
    this.#second = second;
    const key = `${row.process},${row.command},${row.credential},${row.family},${row.addressHigh},${row.addressLow},${row.port},${row.protocol},${row.operation},${row.names},${row.known},${row.age}`;
    if (this.#remembered.has(key)) return this.#remembered.get(key);
    const flow = this.#flowOf(row);
    const { policy } = this.#candidate;
    const judged = flow && {
      flow,
      denies: isJudged(policy, flow) && stops(policy, this.#judge(flow)),
    };
    this.#remembered.set(key, judged);
    return judged;
  }

  #flowOf(row: Row): Flow | undefined {
    const process = this.#tap.processes.get(row.process);
    const credential = this.#tap.credentials.get(row.credential);
    const command = this.#tap.commands.get(row.command);
    if (process === undefined || credential === undefined || command === undefined) return undefined;
    const names = this.#namesOf(row);
    return {
      command,
      ...credential,
      accounts: this.#candidate.accounts,
      ...this.#placeOf(process),
      ...textsOf({
        exe: process.exe,
        script: process.script,
        unit: process.unit,
        cgroup: process.cgroupPath,
      }),
      ...destinationOf(row),
      ...(names && { names }),
      at: this.#now(),
    };
  }

  #placeOf({ containerId, flags }: TappedProcess): Pick<Flow, 'inContainer' | 'container' | 'image'> {
    const { image, name } = (containerId !== undefined && this.#tap.containers.get(containerId)) || {};
    const inContainer = containerId !== undefined || (flags & ProcessFlag.inContainer) !== 0;
    return { inContainer, ...textsOf({ container: name, image }) };
  }

  #namesOf({ age, known, names }: Row): Flow['names'] {
    const list = names === 0 || known === Known.unbelieved ? undefined : this.#tap.nameSets.get(names);
    return list && recordedNames(list, age);
  }
}

function nothingSince(since: number): {
  since: number;
  judged: number;
  denies: number;
  allows: number;
  unknown: number;
} {
  return { since, judged: 0, denies: 0, allows: 0, unknown: 0 };
}

/** The texts that are known: an empty one is not. */
function textsOf<K extends string>(texts: Record<K, string | undefined>): Partial<Record<K, string>> {
  const known = Object.entries(texts).filter(([, text]) => text !== undefined && text !== '');
  return Object.fromEntries(known) as Partial<Record<K, string>>;
}

function destinationOf(row: Row): Pick<Flow, 'address' | 'port' | 'protocol' | 'socket'> {
  const { operation, port, protocol } = row;
  const address = addressOf(row);
  if (operation !== Operation.open) return { address, port, protocol };
  return { address, port: 0, protocol, socket: socketKindOf(port) };
}

function addressOf({ addressHigh, addressLow, family }: Row): Flow['address'] {
  return family === 6
    ? canonicalAddress({ family: 6, value: (addressHigh << 64n) | addressLow })
    : { family: 4, value: addressLow };
}

function subjectText({ command, container, exe, script, uid, unit }: Flow): string {
  const where = container ?? unit;
  const parts = [exe ?? command, ...(script === undefined ? [] : [script]), `uid ${uid}`];
  return [...parts, ...(where === undefined ? [] : [where])].join(', ');
}

function destinationText({ address, port, protocol, socket }: Flow): string {
  if (socket !== undefined) return `${formatOpening(socket, protocol)} socket`;
  const text = formatAddress(address);
  if (!hasPorts(protocol)) return `${text}/${formatProtocol(protocol)}`;
  return `${address.family === 4 ? text : `[${text}]`}:${port}/${formatProtocol(protocol)}`;
}
