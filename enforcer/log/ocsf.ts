import { basename } from 'node:path';
import { printJson } from '../../error/visible.ts';
import { parseProtocol } from '../../policy/value/protocol.ts';
import { compact, type LineFormat, MESSAGE, MISSING, type VerdictEntry } from './entry.ts';

/** Ids of the schema, https://schema.ocsf.io/1.5.0 */
const VERSION = '1.5.0';
const NETWORK_ACTIVITY = 4001;
const BASE_EVENT = 0;
const REFUSE = 5;
const TRAFFIC = 6;
const OTHER = 99;
const OUTBOUND = 2;
const INFORMATIONAL = 1;
const REGULAR_FILE = 1;
const DENIED = 2;
const OBSERVED = 3;
const BLOCKED = 2;
const LOGGED = 17;

/**
 * A verdict as an event of the Open Cybersecurity Schema Framework: class Network Activity, with the profiles for
 * controls, hosts and containers. What it has no attribute for is in `unmapped`.
 *
 * @param at Milliseconds since the epoch.
 * @param host What this host is called: the device.
 */
export function ocsfOf(
  entry: VerdictEntry,
  at: number,
  labels: Readonly<Record<string, string>>,
  host: string,
): unknown {
  const { address, hostname, rule, uid } = entry;
  const blocked = entry.action === 'BLOCKED';
  const user = { uid: String(uid), name: entry.user };
  return compact({
    ...common(NETWORK_ACTIVITY, blocked ? REFUSE : TRAFFIC, at, labels, host),
    category_uid: 4,
    message: MESSAGE,
    count: entry.count,
    action_id: blocked ? DENIED : OBSERVED,
    disposition_id: blocked ? BLOCKED : LOGGED,
    actor: {
      user,
      // The schema wants a pid of each process: a line for many has none, and its program is in `unmapped`.
      process: entry.pid === undefined ? undefined : processOf(entry, user),
    },
    src_endpoint: { hostname: hostname ?? host },
    dst_endpoint: { ip: address, port: entry.port, hostname: entry.name },
    connection_info: {
      direction_id: OUTBOUND,
      protocol_name: entry.protocol,
      protocol_num: entry.protocol === undefined ? undefined : parseProtocol(entry.protocol),
      protocol_ver_id: versionOf(address),
    },
    firewall_rule: { name: rule },
    policy: { uid: entry.policy },
    unmapped: {
      ancestors: entry.ancestors,
      socket: entry.socket,
      ...(entry.pid === undefined && { program: entry.exe ?? entry.command, container: entry.container }),
    },
  });
}

function processOf(
  { command, container, exe, image, parentCommand, pid }: VerdictEntry,
  user: object,
): object {
  return {
    pid,
    name: command,
    file: exe === undefined ? undefined : { path: exe, name: basename(exe), type_id: REGULAR_FILE },
    parent_process: { name: parentCommand },
    user,
    container: { name: container, image: { name: image } },
  };
}

/** Lines of JSON, an event each. */
export function ocsfLines(
  labels: Readonly<Record<string, string>>,
  now: () => number,
  host: string,
): LineFormat {
  const missing = (dropped: number) => ({
    ...common(BASE_EVENT, OTHER, now(), labels, host),
    category_uid: 0,
    activity_name: 'Dropped',
    message: MISSING,
    count: dropped,
  });
  return {
    verdict: (entry) => `${printJson(ocsfOf(entry, now(), labels, host))}\n`,
    missing: (count) => `${printJson(missing(count))}\n`,
  };
}

function common(
  classUid: number,
  activity: number,
  at: number,
  labels: Readonly<Record<string, string>>,
  host: string,
): object {
  const named = Object.entries(labels).map(([name, value]) => `${name}:${value}`);
  return {
    metadata: {
      version: VERSION,
      product: { name: 'bouheki', vendor_name: 'bouheki' },
      profiles: ['security_control', 'host', 'container'],
      ...(named.length > 0 && { labels: named }),
    },
    time: Math.floor(at),
    class_uid: classUid,
    activity_id: activity,
    type_uid: classUid * 100 + activity,
    severity_id: INFORMATIONAL,
    device: { hostname: host, type_id: 0 },
  };
}

function versionOf(address: string | undefined): number | undefined {
  if (address === undefined) return undefined;
  return address.includes(':') ? 6 : 4;
}
