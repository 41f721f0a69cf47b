import { formatDuration, parseDuration } from '../../format/duration.ts';
import type { Mode } from '../wire/manifest.ts';

/** A part of the hosts that hold a release from here on. */
export interface Stage {
  name: string;
  /** Of the workload's active hosts, 0 to 1: at least one, with those of the stages before. */
  hosts: number;
  /** No more than so many; null: no such limit. */
  most: number | null;
  mode: Mode;
  /** Seconds for which all gates have to hold. */
  soak: number;
  /** Hour of the day, UTC, 0 to 23, that has to pass wholly within the stage too; null: none. */
  through: number | null;
}

/** What halts a roll-out. Times are seconds, shares are of the hosts that hold the release, 0 to 1. */
export interface GateLimits {
  /** In which a host confirms what it was offered. */
  deadline: number;
  /** After which a host without a sign of life is away. */
  silent: number;
  /** After its last answer, for which a host that falls silent counts as a failure. */
  silentWindow: number;
  /** Hosts that did not confirm, or fell silent. One always is enough where that is more. */
  failed: number;
  /** Of the hosts that are online: those that must have confirmed. */
  confirmed: number;
  /** Hosts with a regression or a trip of the breaker: either is enough. */
  regressedHosts: number;
  regressed: number;
  /** A host's denied keys may be above the median of those before by so many median absolute deviations. */
  deviations: number;
}

export interface Plan {
  stages: Stage[];
  /** Label over whose values the hosts of a stage are spread. */
  spread: string;
  limits: GateLimits;
}

export const DEFAULT_LIMITS: Readonly<GateLimits> = {
  deadline: 300,
  silent: 120,
  silentWindow: 900,
  failed: 0.02,
  confirmed: 0.95,
  regressedHosts: 2,
  regressed: 0.05,
  deviations: 5,
};

const DEFAULT_SPREAD = 'zone';
const DEFAULT_SOAK = 3600;
const MOST_CANARIES = 20;
const MOST_STAGES = 20;

function defaultStage(name: string, hosts: number, most: number | null, mode: Mode): Stage {
  return { name, hosts, most, mode, soak: DEFAULT_SOAK, through: null };
}

/** Canaries that only report, canaries that block, and three waves; without blocking the second is left out. */
export function defaultPlan(mode: Mode): Plan {
  return {
    stages: [
      defaultStage('monitor canary', 0.01, MOST_CANARIES, 'monitor'),
      ...(mode === 'block' ? [defaultStage('block canary', 0.01, MOST_CANARIES, 'block')] : []),
      defaultStage('10 %', 0.1, null, mode),
      defaultStage('50 %', 0.5, null, mode),
      defaultStage('all', 1, null, mode),
    ],
    spread: DEFAULT_SPREAD,
    limits: { ...DEFAULT_LIMITS },
  };
}

/** What is wrong at a place of a plan. */
export interface PlanFault {
  path: (string | number)[];
  message: string;
}

type Read<T> = (value: unknown) => T | undefined;

const seconds: Read<number> = (value) => {
  const read = typeof value === 'string' ? parseDuration(value) : value;
  return typeof read === 'number' && Number.isFinite(read) && read >= 0 && read <= 90 * 86_400
    ? read
    : undefined;
};

const share: Read<number> = (value) => {
  const [, percent] = typeof value === 'string' ? (/^(\d+(?:\.\d+)?) ?%$/.exec(value) ?? []) : [];
  const read = percent === undefined ? value : Number(percent) / 100;
  return typeof read === 'number' && read > 0 && read <= 1 ? read : undefined;
};

const part: Read<number> = (value) => (value === 'all' ? 1 : share(value));

const within =
  (least: number, most: number): Read<number> =>
  (value) =>
    Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most
      ? (value as number)
      : undefined;

const positive: Read<number> = (value) =>
  typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : undefined;

const LIMITS: { [Key in keyof GateLimits]: [read: Read<number>, wanted: string] } = {
  deadline: [seconds, 'a duration such as 5m'],
  silent: [seconds, 'a duration such as 2m'],
  silentWindow: [seconds, 'a duration such as 15m'],
  failed: [share, 'a share such as 2%'],
  confirmed: [share, 'a share such as 95%'],
  regressedHosts: [within(1, 1_000_000), 'a number of hosts'],
  regressed: [share, 'a share such as 5%'],
  deviations: [positive, 'a number above 0'],
};

/** A map of which only certain keys are known; notes what is wrong. */
class Section {
  readonly #fields: Map<string, unknown>;
  readonly #path: (string | number)[];
  readonly #faults: PlanFault[];

  constructor(value: unknown, path: (string | number)[], known: readonly string[], faults: PlanFault[]) {
    this.#path = path;
    this.#faults = faults;
    const isMap = typeof value === 'object' && value !== null && !Array.isArray(value);
    if (!isMap) faults.push({ path, message: `a map of ${known.join(', ')} is expected` });
    this.#fields = new Map(isMap ? Object.entries(value) : []);
    for (const key of this.#fields.keys()) {
      if (!known.includes(key)) faults.push({ path: [...path, key], message: `unknown key ${key}` });
    }
  }

  /** The value, or the one that stands for it where it is absent; undefined as that: it must not be absent. */
  take<T>(key: string, read: Read<T>, wanted: string, absent?: T): T {
    const value = this.#fields.get(key);
    if (value === undefined && absent !== undefined) return absent;
    const taken = read(value);
    if (taken === undefined) {
      this.#faults.push({ path: [...this.#path, key], message: `${key} has to be ${wanted}` });
    }
    return taken as T;
  }
}

const text: Read<string> = (value) =>
  typeof value === 'string' && value.length > 0 && value.length <= 64 ? value : undefined;
const mode: Read<Mode> = (value) => (value === 'monitor' || value === 'block' ? value : undefined);
const list: Read<unknown[]> = (value) =>
  Array.isArray(value) && value.length > 0 && value.length <= MOST_STAGES ? value : undefined;
const orNull =
  <T>(read: Read<T>): Read<T | null> =>
  (value) =>
    value === null ? null : read(value);

function readStage(value: unknown, at: number, highest: Mode, faults: PlanFault[]): Stage {
  const section = new Section(
    value,
    ['stages', at],
    ['name', 'hosts', 'most', 'mode', 'soak', 'through'],
    faults,
  );
  const stage: Stage = {
    name: section.take('name', text, 'a text', `stage ${at + 1}`),
    hosts: section.take('hosts', part, 'a share such as 10%, or all'),
    most: section.take('most', orNull(within(1, 1_000_000)), 'a number of hosts', null),
    mode: section.take('mode', mode, 'monitor or block', highest),
    soak: section.take('soak', seconds, 'a duration of at most 90 days, such as 1h', DEFAULT_SOAK),
    through: section.take('through', orNull(within(0, 23)), 'an hour of the day, 0 to 23', null),
  };
  if (stage.mode === 'block' && highest === 'monitor') {
    faults.push({ path: ['stages', at, 'mode'], message: 'the release is published to monitor only' });
  }
  return stage;
}

/**
 * A plan from a plan file or a manifest, with defaults for what it leaves out. Durations are texts or seconds, shares
 * texts with a percent sign or numbers up to 1, so that a plan reads itself. `highest` is the mode of the release.
 */
export function readPlan(document: unknown, highest: Mode): { plan: Plan; faults: PlanFault[] } {
  const faults: PlanFault[] = [];
  const section = new Section(document, [], ['stages', 'spread', 'limits'], faults);
  const stages =
    faults.length > 0 ? [] : section.take('stages', list, `a list of 1 to ${MOST_STAGES} stages`);
  const spread = section.take('spread', text, 'the name of a label', DEFAULT_SPREAD);
  const limits = new Section(
    section.take<unknown>('limits', (value) => value, 'a map', {}),
    ['limits'],
    Object.keys(LIMITS),
    faults,
  );
  const plan: Plan = {
    stages: (stages ?? []).map((stage, at) => readStage(stage, at, highest, faults)),
    spread,
    limits: Object.fromEntries(
      Object.entries(LIMITS).map(([key, [read, wanted]]) => [
        key,
        limits.take(key, read, wanted, DEFAULT_LIMITS[key as keyof GateLimits]),
      ]),
    ) as unknown as GateLimits,
  };
  const last = plan.stages.at(-1);
  if (last && (last.hosts !== 1 || last.most !== null)) {
    faults.push({
      path: ['stages', plan.stages.length - 1, 'hosts'],
      message: 'the last stage has to be all',
    });
  }
  return { plan, faults };
}

/** A stage in one line, for people. */
export function describeStage({ name, hosts: part, most, mode: own, soak, through }: Stage): string {
  const limit = most === null ? '' : `, at most ${most}`;
  const hour = through === null ? '' : ` and through ${through}:00 UTC`;
  return `${name}: ${part * 100} % of hosts${limit}, ${own}, ${formatDuration(soak)}${hour}`;
}
