import type * as z from 'zod';
import { readNameOptions, type Report } from './entry.ts';
import { describeIssue } from './issue.ts';
import { LIMITS } from './limit.ts';
import { NAME_DEFAULTS } from '../meaning/known-name.ts';
import type { Policy } from '../meaning/policy.ts';
import { formatPath, type Path, type Problem } from './problem.ts';
import { version1, version2 } from './schema.ts';
import { Sets } from './set.ts';
import * as first from './version1.ts';
import * as second from './version2.ts';
import type { PlacedBox } from './version2.ts';
import { readYaml, type YamlSource } from './yaml-source.ts';

/** What a policy file holds. There is a policy exactly when no problem is an error. */
export interface Parsed {
  policy?: Policy;
  problems: Problem[];
  /** Where the file has `policy.boxes[box]`; the beginning of the file when there is no policy. */
  locationOf(box: number | undefined): Location;
  /** Where it has `policy.modes[entry]`. */
  locationOfMode(entry: number): Location;
}

type Location = Pick<Problem, 'file' | 'line' | 'column' | 'path'>;

/**
 * Reads a policy of either version. Never throws: whatever is wrong is among the problems, in the order of
 * the file. `file` is the name that problems show.
 */
export function parsePolicy(source: string, file: string): Parsed {
  if (source.length > LIMITS.source) {
    const message = `the policy is larger than ${LIMITS.source / 1024 / 1024} MiB`;
    const place = { file, line: 1, column: 1, path: '' };
    return {
      problems: [{ severity: 'error', ...place, message }],
      locationOf: () => place,
      locationOfMode: () => place,
    };
  }
  const yaml = readYaml(source);
  const problems = new ProblemList(source, file, yaml);
  for (const { offset, path, message, help } of yaml.faults) {
    problems.add('error', offset, path, message, help);
  }
  for (const { offset, path, message, help } of yaml.remarks) {
    problems.add('warning', offset, path, message, help);
  }
  const placed = problems.failed ? undefined : policyOf(yaml, problems);
  const paths = placed?.paths ?? [];
  const locationOf = (box: number | undefined) =>
    problems.locationOf(box === undefined ? [] : (paths[box] ?? []));
  const locationOfMode = (entry: number) => problems.locationOf(['network', 'modes', entry]);
  const parsed: Parsed = { problems: problems.sorted(), locationOf, locationOfMode };
  if (placed && !problems.failed) parsed.policy = placed.policy;
  return parsed;
}

/** A policy, and where each of its boxes is. */
interface PlacedPolicy {
  policy: Policy;
  paths: Path[];
}

function policyOf(yaml: YamlSource, problems: ProblemList): PlacedPolicy | undefined {
  const { value } = yaml;
  if (value === null) {
    problems.report('error', [], 'the policy is empty', 'begin with version: 2 and network:');
    return undefined;
  }
  const version = typeof value === 'object' && 'version' in value ? value.version : undefined;
  if (version !== undefined && version !== 1 && version !== 2) {
    problems.report('error', ['version'], 'the version must be the number 1 or 2', 'write version: 2');
    return undefined;
  }
  return version === 2 ? secondPolicyOf(value, yaml, problems) : firstPolicyOf(value, yaml, problems);
}

function secondPolicyOf(value: unknown, yaml: YamlSource, problems: ProblemList): PlacedPolicy | undefined {
  const text = checked(version2, value, yaml, problems);
  if (!text) return undefined;
  const { report } = problems;
  const { mode, modes, on_exit: onExit, target } = text.network;
  const names = text.names && readNameOptions(text.names, report);
  const sets = new Sets(text.sets ?? {}, report, problems.reportKey);
  const boxes = second.boxesOf(text.network, { keep: (names ?? NAME_DEFAULTS).keep, sets }, report);
  sets.reportUnused(problems.reportKey);
  const log = second.logOf(text.log, report);
  const head = {
    version: 2 as const,
    mode,
    ...(modes && { modes: second.modesOf(modes, report) }),
    target,
    ...(onExit && { onExit }),
    ...(names && { names }),
    log,
  };
  return within(head, boxes, problems);
}

function firstPolicyOf(value: unknown, yaml: YamlSource, problems: ProblemList): PlacedPolicy | undefined {
  const text = checked(version1, value, yaml, problems);
  if (!text) return undefined;
  const { report } = problems;
  const { mode, target } = text.network;
  const boxes = first.boxesOf(text.network, report);
  return within({ version: 1, mode, target, log: first.legacyLogOf(text.log, report) }, boxes, problems);
}

/** The value in the schema's type; undefined after faults of shape. */
function checked<T extends z.ZodType>(schema: T, value: unknown, yaml: YamlSource, problems: ProblemList) {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  for (const fault of result.error.issues.flatMap((issue) => describeIssue(issue, schema, value))) {
    const offset = fault.key ? yaml.offsetOfKey(fault.path) : yaml.offsetOf(fault.path);
    const rules = schema !== (version2 as z.ZodType) && isRuleList(fault.path, value);
    const help = rules ? 'rules need version: 2 at the top of the file' : fault.help;
    problems.add('error', offset, fault.path, fault.message, help);
  }
  return undefined;
}

/** Whether a file without `version: 2` has rules where version 1 has addresses. */
function isRuleList(path: Path, value: unknown): boolean {
  const [network, list, index] = path;
  if (network !== 'network' || (list !== 'allow' && list !== 'deny') || typeof index !== 'number')
    return false;
  const entries = (value as { network: Record<string, unknown> }).network[list];
  return Array.isArray(entries) && entries[index] !== null && typeof entries[index] === 'object';
}

function within(rest: Omit<Policy, 'boxes'>, placed: PlacedBox[], problems: ProblemList): PlacedPolicy {
  if (placed.length > LIMITS.boxes) {
    const message = `the policy has ${placed.length} rules (each times its destinations), at most ${LIMITS.boxes} are accepted`;
    problems.report('error', ['network'], message);
  }
  if ((rest.modes?.length ?? 0) > LIMITS.modes) {
    const message = `the policy has ${rest.modes!.length} mode entries, at most ${LIMITS.modes} are accepted`;
    problems.report('error', ['network', 'modes'], message);
  }
  return { policy: { ...rest, boxes: placed.map(({ box }) => box) }, paths: placed.map(({ path }) => path) };
}

/** Problems with their positions in the source. */
class ProblemList {
  failed = false;
  readonly #problems: { offset: number; problem: Problem }[] = [];
  readonly #source: string;
  readonly #file: string;
  readonly #yaml: YamlSource;
  #lineStarts: number[] | undefined;

  constructor(source: string, file: string, yaml: YamlSource) {
    this.#source = source;
    this.#file = file;
    this.#yaml = yaml;
  }

  readonly report: Report = (severity, path, message, help) =>
    this.add(severity, this.#yaml.offsetOf(path), path, message, help);

  /** As `report`, for a problem with the last key of the path rather than with its value. */
  readonly reportKey: Report = (severity, path, message, help) =>
    this.add(severity, this.#yaml.offsetOfKey(path), path, message, help);

  add(severity: Problem['severity'], offset: number, path: Path, message: string, help?: string): void {
    this.failed ||= severity === 'error';
    const at = this.#position(offset);
    const problem: Problem = { severity, file: this.#file, ...at, path: formatPath(path), message };
    if (help !== undefined) problem.help = help;
    this.#problems.push({ offset, problem });
  }

  locationOf(path: Path): Location {
    return { file: this.#file, ...this.#position(this.#yaml.offsetOf(path)), path: formatPath(path) };
  }

  sorted(): Problem[] {
    return this.#problems.sort((a, b) => a.offset - b.offset).map(({ problem }) => problem);
  }

  #position(offset: number): { line: number; column: number } {
    this.#lineStarts ??= lineStartsOf(this.#source);
    let low = 0;
    let high = this.#lineStarts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#lineStarts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - this.#lineStarts[low]! + 1 };
  }
}

function lineStartsOf(source: string): number[] {
  const starts = [0];
  for (let at = source.indexOf('\n'); at >= 0; at = source.indexOf('\n', at + 1)) starts.push(at + 1);
  return starts;
}
