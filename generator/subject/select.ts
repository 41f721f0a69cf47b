import type { Prefix } from '../../policy/value/cidr.ts';
import { isNameable } from '../../policy/file/entry.ts';
import type { Accounts } from '../../profiler/read/observation.ts';
import type { RecordedObservation } from '../../profiler/read/read.ts';
import { AddressSet } from './address-set.ts';
import { METADATA, metadataDenies } from './deny.ts';
import { destinationAddress } from './flow.ts';
import { compareText, inStableOrder } from './order.ts';
import {
  byCommandAlone,
  subjectNamer,
  unnamedSubject,
  type RuleSubject,
  type SubjectKind,
} from './subject.ts';

/** Why an observation is not in the policy. */
export type OmissionReason =
  | 'was denied'
  | 'denied by --deny'
  | 'cloud metadata'
  | 'unnamed subject'
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

/** Sorts the observations into those that a rule allows, by subject, and those that none does, by reason. */
export function selectObservations(
  observations: readonly RecordedObservation[],
  options: {
    deny: readonly Prefix[];
    includeDenied: boolean;
    /**
     * Whether a command name alone, which any process can give itself, may be whom a rule is for. Default:
     * no.
     */
    allowCommandRules?: boolean;
    by?: SubjectKind;
    layout?: 'rules' | 'flat';
    /** To name users by. */
    accounts?: Accounts;
  },
): Selection {
  const ordered = inStableOrder(observations);
  const chosen = new AddressSet(options.deny);
  const refusal = (each: RecordedObservation): OmissionReason | undefined => {
    if (each.verdict === 'deny' && !options.includeDenied) return 'was denied';
    if (each.socket !== undefined) {
      return options.layout === 'flat' ? 'socket, which the flat layout would let everybody open' : undefined;
    }
    if (chosen.has(destinationAddress(each))) return 'denied by --deny';
    if (options.layout === 'flat' && !hasCommand(each)) return 'unnamed subject';
    return each.protocol > 255 ? 'unknown protocol' : undefined;
  };
  const metadata = metadataDenies(ordered.filter((each) => refusal(each) === undefined));
  const builtIn = new AddressSet(metadata);
  const everyMetadata = new AddressSet(METADATA);
  const metadataUsers = new Set<string>();
  const demands = new Map<string, Demand>();
  const omissions = new Map<string, Omission>();

  // The flat layout has nothing but commands to name programs by, and is asked for.
  const mayNameCommands = options.allowCommandRules === true || options.layout === 'flat';
  const nameOf = subjectNamer(options.by, options.accounts);
  for (const observation of ordered) {
    const subject = nameOf(observation.subject);
    const address = destinationAddress(observation);
    let reason = refusal(observation);
    if (reason === undefined && builtIn.has(address)) reason = 'cloud metadata';
    if (reason === undefined && subject !== undefined && byCommandAlone(subject) && !mayNameCommands) {
      reason = 'program unknown';
    }
    if (reason === undefined && subject !== undefined) {
      const demand = demands.get(subject.key);
      if (demand === undefined) demands.set(subject.key, { subject, observations: [observation] });
      else demand.observations.push(observation);
      if (everyMetadata.has(address)) metadataUsers.add(subject.name);
      continue;
    }
    reason ??= 'unnamed subject';
    const name = subject?.name ?? unnamedSubject(observation.subject, options.accounts);
    const key = `${reason}\0${name}\0${subject?.key ?? ''}`;
    const omission = omissions.get(key);
    if (omission === undefined) omissions.set(key, { reason, subject: name, observations: [observation] });
    else omission.observations.push(observation);
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

/** Whether a list of commands can name this subject, and no other. */
function hasCommand({ subject: { command } }: RecordedObservation): boolean {
  return command !== '' && isNameable('command', command);
}
