import { bootTime } from '../../bpf/clock.ts';
import type { Egress } from '../../bpf/egress.ts';
import { Names } from '../../bpf/name/names.ts';
import { NameCounter } from '../../bpf/wire.ts';
import { NameVerdicts } from '../../enforcer/name/name-verdicts.ts';
import { formatAddress, parseAddress } from '../../policy/value/address.ts';
import { NAME_DEFAULTS } from '../../policy/meaning/known-name.ts';
import type { NameOptions } from '../../policy/meaning/policy.ts';
import { MOST_TTL } from '../../profiler/name/message.ts';
import { HostsFile } from '../../profiler/name/hosts-file.ts';
import { ResolverTable } from '../../profiler/name/resolver-table.ts';
import { Resolvers } from '../../profiler/name/resolvers.ts';
import type { ConnectionNames } from '../../profiler/record/connection-names.ts';
import type { Recorder } from '../../profiler/record/recorder.ts';
import type { NameStatus } from '../../profiler/serve/live-status.ts';
import type { RecentAnswer } from '../../profiler/store/recent-answers.ts';
import { ContainerNetworks } from './container-networks.ts';
import { flushResolved } from './resolved-cache.ts';
import { NetworkWatch } from './network-watch.ts';

/** How often what is over is forgotten, and the hosts file read again, in calls of `tick`. */
const SWEEP_EVERY = 10;
/** Seconds for which what the hosts file says counts, as if a resolver had answered so. */
const HOSTS_TTL = 60;

/** Where answers are read, and what is known before. */
interface NameServiceOptions {
  cgroup: string;
  root: string;
  egress: Egress;
  past: readonly RecentAnswer[];
}

/** What reads DNS answers, and keeps what verdicts need of them. */
export class NameService implements Disposable {
  readonly verdicts: NameVerdicts;
  readonly #names: Names;
  readonly #resolvers = new Resolvers();
  readonly #table: ResolverTable;
  readonly #known: ConnectionNames;
  readonly #networks = new ContainerNetworks();
  readonly #watch = new NetworkWatch(this.#networks, () => this.#followContainers());
  readonly #say: (text: string) => void;
  #hosts: HostsFile | undefined;
  #flushed = false;
  /** What the record has of answers and was not taken up. */
  #past: readonly RecentAnswer[];
  #ticks = 0;
  #reported = '';

  private constructor(
    names: Names,
    recorder: Recorder,
    say: (text: string) => void,
    past: readonly RecentAnswer[],
  ) {
    this.#names = names;
    this.#say = say;
    this.#past = past;
    this.#table = new ResolverTable(names.resolvers, this.#resolvers, names.seesImpostors);
    this.#known = recorder.readNames(names, this.#resolvers);
    this.verdicts = new NameVerdicts(names, this.#known, now);
    this.#watch.look();
  }

  /**
   * Has answers read in a cgroup, and impostors of resolvers found below `root`. `past`: what the record has of answers.
   * Throws BouhekiError where the kernel refuses.
   */
  static open(
    { cgroup, egress, past, root }: NameServiceOptions,
    recorder: Recorder,
    say: (text: string) => void,
  ): NameService {
    const names = Names.load(cgroup, egress.known, root);
    try {
      return new NameService(names, recorder, say, past);
    } catch (error) {
      names[Symbol.dispose]();
      throw error;
    }
  }

  /** By whose answers the policy that is to come into force goes. */
  follow({ hosts, resolvers }: NameOptions = NAME_DEFAULTS): void {
    this.#resolvers.wanted = resolvers;
    this.#table.look();
    this.#watch.look();
    this.#recall();
    this.#hosts = hosts ? new HostsFile() : undefined;
    this.#readHosts();
  }

  /** About once a second. */
  tick(): void {
    this.#table.look();
    this.#watch.look();
    this.#recall();
    this.#flushOnce();
    this.#ticks += 1;
    if (this.#ticks % SWEEP_EVERY !== 0) return;
    this.verdicts.sweep();
    this.#readHosts();
    this.#reportTroubles();
  }

  /** The programs that read answers, with the descriptors of their links. */
  get links(): { program: string; fd: number }[] {
    return this.#names.links;
  }

  get status(): NameStatus {
    const counters = this.#names.counters();
    const of = (counter: number): number => counters[counter]!;
    return {
      ...this.verdicts.status,
      unasked: of(NameCounter.unaskedAnswer),
      foreign: of(NameCounter.foreignAnswer),
      unlisted: of(NameCounter.unlistedAnswer),
      strayed: of(NameCounter.strayedAnswer),
      doubted: of(NameCounter.doubtedAnswer),
      impostors: of(NameCounter.impostor),
      withoutRoom: of(NameCounter.knownFull) + of(NameCounter.patternFull) + of(NameCounter.addressFull),
    };
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
    this.#networks[Symbol.dispose]();
    this.verdicts[Symbol.dispose]();
    this.#names[Symbol.dispose]();
  }

  /**
   * Believes the resolvers of containers in their networks. Of one that ended first nobody is believed any more, then
   * all is forgotten that is known there, and only then its number is given back to the kernel for another namespace.
   */
  #followContainers(): void {
    this.#table.inside = this.#networks.list.flatMap((each) => each.resolvers(this.#resolvers.wanted));
    const { ended } = this.#networks;
    if (ended.size === 0) return;
    this.verdicts.forget(ended);
    this.#networks.release();
  }

  /**
   * Takes up what the resolvers that count now have answered before, so that programs which go on with what they were told
   * are not denied by a restart. What ended before this boot has no place in the time that the kernel side goes by.
   */
  #recall(): void {
    if (this.#past.length === 0) return;
    const listed = new Set(this.#resolvers.list.map(({ address }) => formatAddress(address)));
    const boot = Date.now() / 1000 - now();
    const facts = this.#past.flatMap(({ address, end, name, resolver }) => {
      const parsed = parseAddress(address);
      const seconds = Math.min(end / 1e6 - boot, now() + MOST_TTL);
      return parsed && seconds > 0 && listed.has(resolver) ? [{ address: parsed, end: seconds, name }] : [];
    });
    this.#past = [];
    this.#known.know(facts);
  }

  /** Has what this host keeps of earlier answers asked again, once a policy goes by names. */
  #flushOnce(): void {
    if (this.#flushed || this.verdicts.status.patterns === 0) return;
    this.#flushed = true;
    void flushResolved().then((text) => text !== undefined && this.#say(`${text}\n`));
  }

  #readHosts(): void {
    const end = now() + HOSTS_TTL;
    this.#known.know((this.#hosts?.read() ?? []).map(({ address, name }) => ({ address, end, name })));
  }

  /** Says once what keeps names from counting for the policy in force. */
  #reportTroubles(): void {
    if (this.verdicts.status.patterns === 0) return;
    const troubles = [
      ...this.#table.unheld.map(
        ({ address }) =>
          `who holds port 53 of ${formatAddress(address)} can't be seen: by its answers no rule allows anything`,
      ),
      ...(this.#table.missing > 0
        ? [`there is no room for ${this.#table.missing} resolvers: by their answers no rule allows anything`]
        : []),
      ...(this.#networks.missing > 0
        ? [
            `there is no room for the networks of ${this.#networks.missing} containers: in these no rule by name allows anything`,
          ]
        : []),
      ...this.#networks.list.flatMap(({ rewritten }) =>
        rewritten === undefined
          ? []
          : [
              `${rewritten} was written after its container had begun: the resolvers that it names now do not count`,
            ],
      ),
      ...this.#names.detached.map(
        (program) =>
          `${program} was detached from its cgroup: rules by name allow nothing new until bouheki is started again`,
      ),
    ];
    const text = troubles.map((each) => `Warning: ${each}.\n`).join('');
    if (text !== this.#reported && text !== '') this.#say(text);
    this.#reported = text;
  }
}

/** Seconds since boot. */
function now(): number {
  return Number(bootTime()) / 1e9;
}
