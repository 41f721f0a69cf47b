import { recordedNames } from '../../policy/meaning/known-name.ts';
import { TEXT_DIMENSIONS } from '../../policy/meaning/dimension.ts';
import type { AccountTable, Flow, KnownName } from '../../policy/meaning/policy.ts';
import type { Observation } from '../../profiler/read/observation.ts';
import { destinationAddress } from '../destination/destination.ts';

/**
 * An observation as a policy sees it. Supplementary groups are not recorded: what a deny by gid would do for
 * one of them is not in the record. Its moment is that of the first event: see `ObservationQuery.ends`. `accounts`: what the ids are called, for policies that people have written.
 */
export function flowOf(observation: Observation, accounts?: AccountTable): Flow {
  const { subject, port, protocol } = observation;
  const { command, uid, euid = uid, fsuid, gid, egid = gid, fsgid, inContainer } = subject;
  const address = destinationAddress(observation);
  const at = observation.first;
  const flow: Flow = { command, uid, euid, gid, egid, inContainer, address, port, protocol, at };
  for (const dimension of TEXT_DIMENSIONS) {
    const text = subject[dimension];
    if (text !== undefined) flow[dimension] = text;
  }
  if (fsuid !== undefined) flow.fsuid = fsuid;
  if (fsgid !== undefined) flow.fsgid = fsgid;
  if (accounts !== undefined) flow.accounts = accounts;
  if (observation.on !== undefined) flow.host = observation.on;
  if (observation.socket !== undefined) flow.socket = observation.socket;
  if (observation.intent) flow.intent = true;
  const names = knownNames(observation);
  if (names) flow.names = names;
  return flow;
}

/** The names that all events of an observation had; undefined where they were not told apart by them. */
function knownNames({ known, names }: Observation): KnownName[] | undefined {
  if (!known || known.by === 'unbelieved' || !names) return undefined;
  return recordedNames(names, known.age);
}
