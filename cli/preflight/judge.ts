import { canonicalAddress, type Address } from '../../policy/value/address.ts';
import { containsAddress } from '../../policy/value/cidr.ts';
import { type Attempt, destinationOf, isJudged, matchesTo } from '../../policy/meaning/evaluate.ts';
import { compileEvaluator } from '../../policy/meaning/evaluator.ts';
import { namesHosts, reachOf } from '../../policy/meaning/known-name.ts';
import { stops } from '../../policy/meaning/mode.ts';
import type { AccountTable, Box, Flow, Policy, Verdict } from '../../policy/meaning/policy.ts';
import type { SocketKind } from '../../policy/value/socket-kind.ts';
import type { RunningProcess } from '../../profiler/identity/running-process.ts';

/** Where a process sends. */
export interface Destination {
  address: Address;
  port: number;
  protocol: number;
}

/**
 * `by name`: a rule allows it where the address is known by a name, which is not known before enforcement begins.
 */
export type Outlook = 'allowed' | 'denied' | 'by name';

/** What a policy would say of what is on this host now. */
export class Judge {
  readonly policy: Policy;
  readonly #accounts: AccountTable;
  readonly #cgroup: string | undefined;
  readonly #judge: (flow: Flow) => Verdict;
  /** By the same policy, were every address known by every name. */
  readonly #ifNamed: ((flow: Flow) => Verdict) | undefined;

  /**
   * `policy` with what its links lead to. `cgroup`: the path of the one that is watched alone, from the root of the
   * hierarchy.
   */
  constructor(policy: Policy, accounts: AccountTable, cgroup?: string) {
    this.policy = policy;
    this.#accounts = accounts;
    this.#cgroup = cgroup;
    this.#judge = compileEvaluator(policy);
    if (namesHosts(policy)) {
      this.#ifNamed = compileEvaluator({ ...policy, boxes: policy.boxes.map(whateverName) });
    }
  }

  /** Whether only a part of the host is judged. */
  get partial(): boolean {
    return this.policy.target === 'container' || this.#cgroup !== undefined;
  }

  /** Whether a process is among those that are judged. */
  judges(process: Pick<RunningProcess, 'inContainer' | 'cgroup'>): boolean {
    if (!isJudged(this.policy, process)) return false;
    if (this.#cgroup === undefined) return true;
    return process.cgroup === this.#cgroup || process.cgroup?.startsWith(`${this.#cgroup}/`) === true;
  }

  /** What a send of a process gets. */
  ofSend(process: RunningProcess, { address, port, protocol }: Destination): Outlook {
    return this.#of({ ...this.#flowOf(process), address: finalAddress(address), port, protocol });
  }

  /** What opening a socket of a kind gets. */
  ofOpening(process: RunningProcess, socket: SocketKind): Outlook {
    return this.#of({ ...this.#flowOf(process), socket });
  }

  /**
   * The names of the rules that allow something to somebody, or that most subjects are only monitored; none where a
   * deny holds for all.
   */
  rulesFor(attempt: Attempt): string[] {
    return this.#allowing((box) => matchesTo(box.to, attempt));
  }

  /** The names of the rules by which somebody reaches an address, by whatever port and protocol. */
  rulesReaching(address: Address): string[] {
    const reaches = ({ to }: Box): boolean =>
      to.sockets === undefined && (reachOf(to)?.some((prefix) => containsAddress(prefix, address)) ?? true);
    return this.#allowing((box) => reaches(box) && isWhole(box));
  }

  #allowing(fits: (box: Box) => boolean): string[] {
    const { boxes, mode, modes } = this.policy;
    if (modes && mode === 'monitor') return ['network.mode: monitor'];
    const forAll = (box: Box): boolean => box.action === 'deny' && isForAll(box) && fits(box);
    if (boxes.some(forAll)) return [];
    return [...new Set(boxes.filter((box) => box.action === 'allow' && fits(box)).map(({ name }) => name))];
  }

  #of(flow: Flow): Outlook {
    if (!stops(this.policy, this.#judge(flow))) return 'allowed';
    return this.#ifNamed?.(flow).action === 'allow' ? 'by name' : 'denied';
  }

  #flowOf({ pid: _pid, ...subject }: RunningProcess): Flow {
    return { ...subject, ...NOWHERE, accounts: this.#accounts };
  }
}

const NOWHERE: Destination = { address: { family: 4, value: 0n }, port: 0, protocol: 0 };

/** Where a packet for an address goes: a mapped one is IPv4, the unspecified one is this host. */
export function finalAddress(address: Address): Address {
  return destinationOf(canonicalAddress(address));
}

/** Whether a box is for every subject. */
export function isForAll({ from }: Pick<Box, 'from'>): boolean {
  return Object.keys(from).length === 0;
}

/** A deny of some ports leaves an address to be reached. */
function isWhole({ action, to }: Box): boolean {
  return action === 'allow' || (to.ports === undefined && to.protocols === undefined);
}

function whateverName(box: Box): Box {
  const { keep: _keep, names, ...rest } = box.to;
  const reach = reachOf(box.to);
  return names === undefined ? box : { ...box, to: reach ? { ...rest, prefixes: [...reach] } : rest };
}
