import { InvalidArgumentError, Option } from 'commander';
import type { Mode } from '../../policy/meaning/policy.ts';
import type { RetentionLimits } from '../../profiler/store/retention.ts';
import { parseDuration } from '../../format/duration.ts';
import { parseEndpoint, type Endpoint } from '../../daemon/metrics-server.ts';
import { parseSize } from '../../format/size.ts';
import { AGENT_DIRECTORY } from '../../fleet/self/identity-file.ts';
import { readTrial } from './duration.ts';

/** Whether a host that has joined a fleet speaks to its hubs. */
export interface FleetOptions {
  fleet?: boolean;
  fleetDir?: string;
}

/** The options of the commands that record, as commander hands them over. */
export interface RecorderOptions extends FleetOptions {
  backend: 'auto' | 'lsm' | 'fmod_ret' | 'cgroup';
  /** Directory of a cgroup. */
  cgroup?: string;
  /** Seconds. */
  retention?: number;
  /** Bytes. */
  maxSize?: number | 'none';
  metrics?: Endpoint;
  /** Whether DNS answers are read. */
  names: boolean;
  /** Whether connections are shown as well. */
  watch?: boolean;
}

/** What `enforce` was asked for, as commander hands it over. */
export interface EnforceOptions extends RecorderOptions {
  db: string;
  mode?: Mode;
  backstop?: boolean;
  /** For how long the policy holds without a confirmation, seconds. */
  confirmWithin?: number;
  /** File of the key without which nobody can undo what is kept. */
  guardKey?: string;
  /** How many denials a minute a subject may have before it is only monitored. */
  breaker?: number;
  /** The file of a policy that is counted beside it. */
  shadow?: string;
  /** From when on the record is replayed before anything is blocked, microseconds since the epoch. */
  since?: number;
  /** Block whatever the pre-flight finds. */
  force?: boolean;
  /** False: block without looking at anything first. */
  preflight?: boolean;
}

const SHORTEST_RETENTION = 3600;
const SMALLEST_SIZE = 10_000_000;
const DEFAULT_SIZE = '2GB';

/** `--backend`, `--cgroup`, `--retention`, `--max-size`, `--metrics`, `--no-names`, `--watch`, `--no-fleet`, `--fleet-dir`. */
export function recorderOptions(): Option[] {
  return [
    new Option(
      '--backend <backend>',
      'how the kernel is watched; auto is cgroup with --cgroup, else lsm where bpf is an active security module, else fmod_ret',
    )
      .choices(['auto', 'lsm', 'fmod_ret', 'cgroup'])
      .default('auto'),
    new Option(
      '--cgroup <directory>',
      'watch this cgroup and those below it alone, / for all; the start says what it does not see',
    ),
    new Option(
      '--retention <time>',
      'fold events that are older, such as 30d, into one row an hour for all that are equal',
    ).argParser(readRetention),
    new Option(
      '--max-size <size>',
      'fold the oldest events before their time while the database uses more: 500MB, 10GB, or none for no limit; where that is not enough, events of the user who made the most are lost',
    )
      .argParser(readSize)
      .default(parseSize(DEFAULT_SIZE), DEFAULT_SIZE),
    new Option('--metrics <address:port>', 'offer Prometheus metrics there: 127.0.0.1:9464').argParser(
      readEndpoint,
    ),
    new Option('--watch', 'show connections as they are recorded, as `bouheki watch` does'),
    new Option(
      '--no-names',
      'read no DNS answers: connections are recorded without the names of their destinations',
    ),
    new Option('--no-fleet', 'speak to no hub, also where this host has joined a fleet'),
    new Option('--fleet-dir <directory>', 'where this host keeps what it is in its fleet').default(
      AGENT_DIRECTORY,
    ),
  ];
}

/** `--confirm-within`, in seconds; `then` is what happens otherwise. */
export function confirmOption(then: string): Option {
  return new Option(
    '--confirm-within <time>',
    `unless \`bouheki confirm\` comes within this time, such as 60s, ${then}; the kernel sees to it, also when bouheki has ended`,
  ).argParser(readTrial);
}

/** `--guard-key` of commands that could undo what is kept. */
export function guardKeyOption(): Option {
  return new Option('--guard-key <file>', 'the key, where `bouheki enforce` was started with one');
}

/** The limits of the options; undefined when there is none. */
export function limitsOf({
  retention,
  maxSize = parseSize(DEFAULT_SIZE)!,
}: RecorderOptions): RetentionLimits | undefined {
  if (retention === undefined && maxSize === 'none') return undefined;
  return {
    ...(retention !== undefined && { seconds: retention }),
    ...(maxSize !== 'none' && { bytes: maxSize }),
  };
}

function readRetention(text: string): number {
  const seconds = parseDuration(text);
  if (seconds !== undefined && seconds >= SHORTEST_RETENTION) return seconds;
  throw new InvalidArgumentError('It must be a duration of an hour or more, such as 24h or 30d.');
}

function readSize(text: string): number | 'none' {
  if (text === 'none') return text;
  const bytes = parseSize(text);
  if (bytes !== undefined && bytes >= SMALLEST_SIZE) return bytes;
  throw new InvalidArgumentError('It must be a size of 10MB or more, such as 500MB or 10GB, or none.');
}

function readEndpoint(text: string): Endpoint {
  const endpoint = parseEndpoint(text);
  if (endpoint !== undefined) return endpoint;
  throw new InvalidArgumentError('It must be an address of this host alone and a port: 127.0.0.1:9464.');
}

/** The denials a minute of `--breaker`: `100/min`. */
export function parseBreaker(text: string): number {
  const [, count] = /^([1-9]\d{0,8})\/min$/.exec(text) ?? [];
  if (count !== undefined) return Number(count);
  throw new InvalidArgumentError('It must be a number of denials a minute, such as 100/min.');
}
