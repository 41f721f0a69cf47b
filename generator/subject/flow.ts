import type { Address } from '../../policy/value/address.ts';
import { canonicalAddress } from '../../policy/value/address.ts';
import { destinationOf } from '../../policy/meaning/evaluate.ts';
import type { Flow } from '../../policy/meaning/policy.ts';
import type { Observation } from '../../profiler/read/observation.ts';

/**
 * An observation as a policy sees it. Supplementary groups are not recorded: what a deny by gid would do for one of them
 * cannot be told from the record.
 */
export function flowOf(observation: Observation): Flow {
  const { subject, port, protocol } = observation;
  const { cgroup, container, exe, image, inContainer, script, unit } = subject;
  return {
    command: subject.command,
    ...(exe === undefined ? {} : { exe }),
    ...(script === undefined ? {} : { script }),
    uid: subject.uid,
    euid: subject.euid ?? subject.uid,
    gid: subject.gid,
    egid: subject.egid ?? subject.gid,
    ...(subject.fsuid === undefined ? {} : { fsuid: subject.fsuid }),
    ...(subject.fsgid === undefined ? {} : { fsgid: subject.fsgid }),
    ...(container === undefined ? {} : { container }),
    ...(image === undefined ? {} : { image }),
    ...(unit === undefined ? {} : { unit }),
    ...(cgroup === undefined ? {} : { cgroup }),
    inContainer,
    address: destinationAddress(observation),
    port,
    protocol,
    ...(observation.socket === undefined ? {} : { socket: observation.socket }),
  };
}

/** Where the connection really went: a mapped address is IPv4, the unspecified address is this host. */
export function destinationAddress(observation: Observation): Address {
  return destinationOf(canonicalAddress({ family: observation.family, value: observation.address }));
}
