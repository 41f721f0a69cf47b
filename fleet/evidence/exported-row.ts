import { formatExactMoment } from '../../format/moment.ts';
import type { ExportedRow } from '../../profiler/read/export.ts';
import { UNKNOWN_ID } from '../../profiler/read/observation.ts';
import { formatAddress } from '../../policy/value/address.ts';
import { formatOpening } from '../../policy/value/opening.ts';
import { formatProtocol } from '../../policy/value/protocol.ts';
import { SOCKET_KINDS } from '../../policy/value/socket-kind.ts';
import type { HostEvidence } from '../wire/message.ts';
import type { SubjectDocument } from '../wire/subject-document.ts';
import { addressOf } from './address.ts';
import { KNOWN_BY } from './known-by.ts';

/** The user and group that have the same number on all hosts. */
const ROOT = 'root';

/**
 * What a host showed, as a row of an export. A user or group of which the fleet knows the name alone has the number of
 * nobody known. Undefined for a kind of socket that this version does not know.
 */
export function exportedRow(
  host: string,
  { container, cgroup, command, exe, image, inContainer, script, unit, ...who }: SubjectDocument,
  row: HostEvidence,
): ExportedRow | undefined {
  const to = destinationOf(row);
  if (to === undefined) return undefined;
  const { count, first, verdict } = row;
  return {
    ts: formatExactMoment(first),
    host,
    comm: command,
    ...known({ exe, script, container, image, unit, cgroup }),
    ...idsOf(who),
    in_container: inContainer === true,
    ...to,
    ...namesOf(row),
    verdict: verdict === 'ALLOW' ? 'allow' : 'deny',
    noted: verdict === 'WOULD_DENY',
    count,
  };
}

/** The name that the events went by is the first. */
function namesOf({ age, knownBy, name, names }: HostEvidence): ExportedRow {
  const all = name === '' ? names : [name, ...names.filter((each) => each !== name)];
  if (all.length === 0) return {};
  const called = { name: all[0]!, names: all.join(' ') };
  return knownBy === 'NO_NAME' ? called : { ...called, name_known: KNOWN_BY[knownBy], age };
}

function destinationOf({ address, port, protocol, socket }: HostEvidence): ExportedRow | undefined {
  if (socket === '') {
    return { addr: formatAddress(addressOf(address)), port, protocol: formatProtocol(protocol) };
  }
  const kind = SOCKET_KINDS.find((each) => each === socket);
  return kind && { operation: 'open', socket: kind, protocol: formatOpening(kind, protocol) };
}

function idsOf({ user, uid, group, gid, euser, euid, egroup, egid }: Partial<SubjectDocument>): ExportedRow {
  const ids = {
    uid: idOf(user, uid) ?? UNKNOWN_ID,
    gid: idOf(group, gid) ?? UNKNOWN_ID,
  };
  return {
    ...ids,
    ...known({ euid: idOf(euser, euid), egid: idOf(egroup, egid) }),
    ...known({ user_name: user, group_name: group, euser_name: euser, egroup_name: egroup }),
  };
}

function idOf(name: string | undefined, id: number | undefined): number | undefined {
  if (name === undefined) return id;
  return name === ROOT ? 0 : UNKNOWN_ID;
}

function known(cells: Record<string, string | number | undefined>): ExportedRow {
  return Object.fromEntries(Object.entries(cells).filter(([, value]) => value !== undefined));
}
