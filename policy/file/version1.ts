import { FLAT_SUBJECTS } from './document.ts';
import { checkCommands, readPrefixes, type Report } from './entry.ts';
import { isGlob } from '../value/name.ts';
import type { Box, From, LogOptions, To } from '../meaning/policy.ts';
import type { Path } from './problem.ts';
import type { Version1 } from './schema.ts';
import { SOCKET_KINDS } from '../value/socket-kind.ts';
import { allowPath, logOf, type PlacedBox, socketBox } from './version2.ts';

/** The subjects to whom a version 1 policy allows what its `cidr.deny` denies. */
interface Exemption {
  /** Where the denied addresses are: `['network', 'cidr', 'deny']`, or the older `['network', 'deny']`. */
  path: Path;
  command: string[];
  uid: number[];
  gid: number[];
}

/**
 * The boxes of a version 1 policy. Its address check passes for a denied address when the command, uid or gid
 * is in its allow list. A connection must be in every allow list that is not empty, so one such list is
 * enough to let everything that passes it through: then `cidr.deny` denies no subject, and its addresses join
 * those that are allowed. Sockets without a destination are unknown to version 1: every process may open
 * them.
 */
export function boxesOf(network: Version1['network'], report: Report): PlacedBox[] {
  return [...listBoxes(network, report), socketBox([...SOCKET_KINDS], ['network'])];
}

function listBoxes(network: Version1['network'], report: Report): PlacedBox[] {
  const { allow, deny } = addressLists(network, report);
  const denied = readPrefixes(deny.texts, deny.path, report);
  const boxes: PlacedBox[] = [];
  const place = (action: Box['action'], name: string, from: From, to: To, path: Path) =>
    boxes.push({ box: { action, name, from, to }, path });
  const exemption = exemptionOf(network);
  if (exemption) warnOf(exemption, report);
  else if (denied.length > 0)
    place('deny', deny.path.slice(1).join('.'), {}, { prefixes: denied }, deny.path);
  checkLegacyCommands(network, report);
  const from: From = {};
  for (const key of FLAT_SUBJECTS) {
    const lists = network[key];
    if (lists?.deny && lists.deny.length > 0) {
      place('deny', `${key}.deny`, { [key]: lists.deny }, {}, ['network', key, 'deny']);
    }
    if (lists?.allow && lists.allow.length > 0) Object.assign(from, { [key]: lists.allow });
  }
  const to: To = {};
  if (allow.texts) {
    const allowed = readPrefixes(allow.texts, allow.path, report);
    to.prefixes = exemption ? allowed.concat(denied) : allowed;
    if (to.prefixes.length === 0) return boxes;
  }
  const { command, uid, gid } = network;
  place('allow', 'allow', from, to, allow.texts ? allow.path : allowPath({ command, uid, gid }));
  return boxes;
}

/** The subjects that are exempt from `cidr.deny`; undefined when none is or nothing is denied. */
function exemptionOf(network: Version1['network']): Exemption | undefined {
  const bare = network.cidr?.deny === undefined && network.deny !== undefined;
  const denied = bare ? network.deny : network.cidr?.deny;
  const command = network.command?.allow ?? [];
  const uid = network.uid?.allow ?? [];
  const gid = network.gid?.allow ?? [];
  if (!denied || denied.length === 0 || command.length + uid.length + gid.length === 0) return undefined;
  return { path: bare ? ['network', 'deny'] : ['network', 'cidr', 'deny'], command, uid, gid };
}

/** Nothing widens in silence: the author of `deny` should know for which subjects it does not hold. */
function warnOf({ path, command, uid, gid }: Exemption, report: Report): void {
  const subjects = Object.entries({ command, uid, gid }).flatMap(([key, values]) =>
    values.length > 0 ? [`${key} ${values.join(', ')}`] : [],
  );
  const message = `${path.join('.')} denies nothing to ${subjects.join(' and ')}: a subject in an allow list is exempt in version 1`;
  report('warning', path, message, 'bouheki check --upgrade writes version 2, where a deny always wins');
}

/** The log options of a version 1 policy: levels have more spellings there, and labels may be numbers. */
export function legacyLogOf(log: Version1['log'], report: Report): LogOptions {
  if (!log) return logOf(undefined, report);
  const labels = Object.fromEntries(Object.entries(log.labels).map(([key, value]) => [key, String(value)]));
  return logOf({ ...log, level: modernLevel(log.level), labels }, report);
}

/** The level that one of version 1's spellings means; the schema has checked it. */
export function modernLevel(level: string): LogOptions['level'] {
  const lower = level.toLowerCase();
  return LEVELS[lower] ?? (lower as LogOptions['level']);
}

const LEVELS: Readonly<Record<string, LogOptions['level']>> = {
  trace: 'debug',
  warning: 'warn',
  fatal: 'error',
  panic: 'error',
};

function addressLists(network: Version1['network'], report: Report) {
  for (const key of ['allow', 'deny'] as const) {
    if (network[key] !== undefined && network.cidr?.[key] !== undefined) {
      const message = `network.${key} and network.cidr.${key} are the same list`;
      report('error', ['network', key], message, `join them in network.cidr.${key}`);
    }
  }
  const pathOf = (key: 'allow' | 'deny') =>
    network[key] === undefined ? ['network', 'cidr', key] : ['network', key];
  return {
    allow: { texts: network.allow ?? network.cidr?.allow, path: pathOf('allow') },
    deny: { texts: network.deny ?? network.cidr?.deny ?? [], path: pathOf('deny') },
  };
}

function checkLegacyCommands({ command }: Version1['network'], report: Report): void {
  for (const key of ['allow', 'deny'] as const) {
    const path = ['network', 'command', key];
    const names = command?.[key] ?? [];
    checkCommands(names, path, (severity, at, message, help) => {
      if (!isGlob(names[Number(at.at(-1))]!)) report(severity, at, message, help);
    });
    for (const [index, name] of names.entries()) {
      if (!isGlob(name)) continue;
      const help = 'name every command, or write the policy as version 2';
      report('error', [...path, index], `version 1 has no globs: "${name}"`, help);
    }
  }
}
