import type { Prefix } from '../../policy/value/cidr.ts';
import { isNameable } from '../../policy/file/entry.ts';
import { type Accounts, type Subject, UNKNOWN_ID } from '../../profiler/read/observation.ts';
import type { RecordedObservation } from '../../profiler/read/read.ts';
import { AddressSet } from '../destination/address-set.ts';
import { ByAddress } from '../destination/by-address.ts';
import { METADATA, metadataDenies } from './deny.ts';
import { compareText, inStableOrder } from './order.ts';
import {
  byCommandAlone,
  isElsewhere,
  isSourceless,
  subjectNamer,
  unnamedSubject,
  type RuleSubject,
  type SubjectKind,
} from './subject.ts';

/** Why an observation is not in the policy. */
type OmissionReason =
  | 'was denied'
  | 'denied by --deny'
  | 'cloud metadata'
  | 'unnamed subject'
  | 'no process known'
  | 'program unknown'
  | 'socket, which the flat layout would let everybody open'
  | 'unknown protocol';

/** Observations of one subject that the policy does not allow, and why. */
export interface Omission {
  reason: OmissionReason;
  subject: string;
  observations: RecordedObservation[];
}

/** What one rule has to allow. */
export interface Demand {
  subject: RuleSubject;
  observations: RecordedObservation[];
}

export interface Selection {
  demands: Demand[];
  omissions: Omission[];
  /** Metadata addresses that no subject with a firm name used: to be denied. */
  metadata: Prefix[];
  /** Names of the subjects that keep their access to metadata addresses, because they were seen there. */
  metadataUsers: string[];
}

export interface SelectOptions {
  deny: readonly Prefix[];
  includeDenied: boolean;
  /** Whether a rule may be for a command name alone, which any process can give itself. Default: no. */
  allowCommandRules?: boolean;
  by?: SubjectKind;
  layout?: 'rules' | 'flat';
  /** To name users by. */
  accounts?: Accounts;
}

/** Sorts the observations into those that a rule allows, by subject, and those that none does, by reason. */
export function selectObservations(
  observations: readonly RecordedObservation[],
  options: SelectOptions,
): Selection {
  const ordered = inStableOrder(observations);
  const refusal = refusalBy(options);
  // There are few of these, and a lookup of each address costs more than all else here.
  const atMetadata = new Set(ordered.filter(inSet(METADATA)));
  const metadata = metadataDenies([...atMetadata].filter((each) => refusal(each) === undefined));
  const builtIn = inSet(metadata);
  const metadataUsers = new Set<string>();
  const demands = new Map<string, Demand>();
  const omissions = new Map<string, Omission>();

  // The flat layout has nothing but commands to name programs by, and is asked for.
  const mayNameCommands = options.allowCommandRules === true || options.layout === 'flat';
  const nameOf = subjectNamer(options.by, options.accounts);
  const shared = options.by === 'unit' ? new Set<string>() : unitsOfHostPrograms(ordered);
  const refusalOf = (each: RecordedObservation, subject: RuleSubject | undefined) => {
    const reason = refusal(each);
    if (reason !== undefined) return reason;
    if (atMetadata.has(each) && builtIn(each)) return 'cloud metadata';
    if (subject === undefined && isSourceless(each.subject)) return 'no process known';
    if (subject === undefined || sharesUnit(each.subject, subject, shared)) return 'unnamed subject';
    return byCommandAlone(subject) && !mayNameCommands ? 'program unknown' : undefined;
  };
  for (const observation of ordered) {
    const subject = nameOf(observation.subject);
    const reason = refusalOf(observation, subject);
    if (reason === undefined) {
      const { key, name } = subject!;
      listOf(demands, key, () => ({ subject: subject!, observations: [] })).push(observation);
      if (atMetadata.has(observation)) metadataUsers.add(name);
    } else {
      const named = sharesUnit(observation.subject, subject, shared) ? undefined : subject;
      const name = named?.name ?? unnamedSubject(observation.subject, options.accounts);
      const key = `${reason}\0${name}\0${subject?.key ?? ''}`;
      listOf(omissions, key, () => ({ reason, subject: name, observations: [] })).push(observation);
    }
  }

  return {
    demands: [...demands.values()].sort(
      (a, b) => compareText(a.subject.name, b.subject.name) || compareText(a.subject.key, b.subject.key),
    ),
    omissions: [...omissions].sort(([a], [b]) => compareText(a, b)).map(([, omission]) => omission),
    metadata,
    metadataUsers: [...metadataUsers].sort(compareText),
  };
}

/** Units in which programs of the host were seen. */
function unitsOfHostPrograms(observations: readonly RecordedObservation[]): Set<string> {
  const subjects = new Set<Subject>();
  for (const { subject } of observations) subjects.add(subject);
  return new Set(
    [...subjects].flatMap((subject) =>
      subject.inContainer || isElsewhere(subject) ? [] : (subject.unit ?? []),
    ),
  );
}

/** Whether a rule for the unit of a program in another root would let programs of the host go there too. */
function sharesUnit(subject: Subject, rule: RuleSubject | undefined, shared: ReadonlySet<string>): boolean {
  return isElsewhere(subject) && rule?.from.unit?.some((unit) => shared.has(unit)) === true;
}

/** Whether an observation went to one of these addresses. */
function inSet(prefixes: readonly Prefix[]): (observation: RecordedObservation) => boolean {
  if (prefixes.length === 0) return () => false;
  const set = new AddressSet(prefixes);
  const known = new ByAddress((address) => set.has(address));
  return (observation) => known.of(observation);
}

/** Why an observation is left out, whatever its subject; undefined when it is not. */
function refusalBy(options: SelectOptions): (each: RecordedObservation) => OmissionReason | undefined {
  const chosen = inSet(options.deny);
  return (each) => {
    if (each.verdict === 'deny' && !options.includeDenied) return 'was denied';
    if (each.socket !== undefined) {
      return options.layout === 'flat' ? 'socket, which the flat layout would let everybody open' : undefined;
    }
    if (chosen(each)) return 'denied by --deny';
    if (options.layout === 'flat' && !hasCommand(each)) return 'unnamed subject';
    return each.protocol > 255 ? 'unknown protocol' : undefined;
  };
}

/** The observations of the group with this key, which is made when it is missing. */
function listOf<T extends { observations: RecordedObservation[] }>(
  groups: Map<string, T>,
  key: string,
  make: () => T,
): RecordedObservation[] {
  let group = groups.get(key);
  if (group === undefined) groups.set(key, (group = make()));
  return group.observations;
}

/** Whether a list of commands can name this subject, and no other. */
function hasCommand({ subject: { command, gid, uid } }: RecordedObservation): boolean {
  // Its list of ids would hold one that no process has.
  if (uid === UNKNOWN_ID || gid === UNKNOWN_ID) return false;
  return command !== '' && isNameable('command', command);
}
