import { parseEnd } from '../../format/moment.ts';
import type { Prefix } from '../value/cidr.ts';
import {
  ACCOUNT_DIMENSIONS,
  DESTINATION_DIMENSIONS,
  type DestinationDimension,
  FROM,
  type Role,
  TEXT_DIMENSIONS,
} from '../meaning/dimension.ts';
import { meansContainerFiles } from '../meaning/evaluate.ts';
import { isGlob } from '../value/name.ts';
import { subtractPrefixes } from '../value/prefix-set.ts';
import { FLAT_KEYS, FLAT_SUBJECTS, type FlatKey, SET_KINDS } from './document.ts';
import {
  checkAccounts,
  checkHosts,
  checkCommands,
  checkNames,
  checkTexts,
  readKeep,
  readNames,
  readPorts,
  readPrefixes,
  readProtocols,
  type Report,
} from './entry.ts';
import { actionOf } from '../meaning/mode.ts';
import type { Action, Box, From, LogOptions, ModeEntry, To } from '../meaning/policy.ts';
import type { Path } from './problem.ts';
import { hasPorts } from '../value/protocol.ts';
import type { FromText, LogText, ModeEntryText, RuleText, ToText, Version2 } from './schema.ts';
import type { Sets } from './set.ts';
import type { SocketKind } from '../value/socket-kind.ts';

/** A box and where the document has it. */
export interface PlacedBox {
  box: Box;
  path: Path;
}

/** What destinations refer to: the `keep` of those that say nothing of it, and the sets. */
export interface Surroundings {
  keep: number;
  sets: Sets;
}

/** The boxes of a version 2 policy, deny boxes first. */
export function boxesOf(network: Version2['network'], around: Surroundings, report: Report): PlacedBox[] {
  const flat = FLAT_KEYS.filter((key) => network[key] !== undefined);
  if (flat.length === 0) {
    if (network.sockets) {
      const help = 'give the rule of the program that opens them its own sockets:';
      report('error', ['network', 'sockets'], 'network.sockets belongs to the flat layout', help);
    }
    if (!network.allow) {
      const help = 'add allow: with the rules for what may connect, or allow: [] to deny everything';
      report('error', ['network'], 'network.allow is missing', help);
    }
    return (['deny', 'allow'] as const).flatMap((action) =>
      rulesOf({ action, ...around }, network[action] ?? [], report),
    );
  }
  const rules = (['allow', 'deny'] as const).filter((key) => network[key] !== undefined);
  if (rules.length > 0) {
    const message = `network has both rules (${rules.join(', ')}) and the flat layout (${flat.join(', ')})`;
    report(
      'error',
      ['network', flat[0]!],
      message,
      'use one of the two: a flat list without limits would void the rules',
    );
  }
  return flatBoxes(network, around.sets, report);
}

/** The log options of a version 2 policy. */
export function logOf(log: LogText | undefined, report: Report): LogOptions {
  const options: LogOptions = {
    format: log?.format ?? 'json',
    level: log?.level ?? 'info',
    labels: { ...log?.labels },
  };
  for (const [key, value] of Object.entries(options.labels)) {
    checkNames([key, value], [], (severity, _path, message) =>
      report(severity, ['log', 'labels', key], message),
    );
  }
  if (log?.output !== undefined && log.output !== 'stdout') {
    checkNames([log.output], ['log', 'output'], (severity, _path, message) =>
      report(severity, ['log', 'output'], message),
    );
    if (log.output === 'stderr') {
      const help = 'leave log.output out for standard output, or name a file';
      report('error', ['log', 'output'], 'the log cannot go to standard error, where messages go', help);
    }
    options.output = log.output;
  }
  return options;
}

/** What the rules of a list have in common. */
interface RuleList extends Surroundings {
  action: Action;
}

function rulesOf(list: RuleList, rules: readonly RuleText[], report: Report): PlacedBox[] {
  const { action, sets } = list;
  return rules.flatMap((rule, index) => {
    const path = ['network', action, index];
    if (rule.name !== undefined) checkName(rule.name, path, report);
    const name = rule.name ?? `${action}[${index}]`;
    const from = rule.from ? fromOf(action, rule.from, [...path, 'from'], report) : {};
    const rest = { action, name, from, ...untilOf(action, rule, path, report) };
    const boxes = (rule.to ?? []).map((text, entry): PlacedBox => {
      const at = [...path, 'to', entry];
      const to = toOf(list, text, at, report);
      // What is wrong with them has been reported.
      const except = text.except && readPrefixes(text.except, [], () => undefined, sets);
      const named = SET_KINDS.flatMap((kind) => sets.named(kind, text[kind]));
      const known = { ...(except && { except }), ...(named.length > 0 && { sets: named }) };
      return { box: { ...rest, to, ...known }, path: at };
    });
    const { sockets } = rule;
    if (sockets) boxes.push({ box: { ...rest, to: { sockets } }, path: [...path, 'sockets'] });
    return boxes.length > 0 ? boxes : [{ box: { ...rest, to: {} }, path }];
  });
}

/** When a rule ends. A deny that ends would open by itself what it closes, when nobody looks. */
function untilOf(action: Action, { until }: RuleText, path: Path, report: Report): Pick<Box, 'until'> {
  if (until === undefined) return {};
  const at = [...path, 'until'];
  if (action === 'deny') {
    const message = 'a deny rule cannot end by itself: what it denies would be open then, when nobody looks';
    report('error', at, message, 'remove until, and the rule when it is not needed any more');
  }
  const moment = parseEnd(until);
  if (moment !== undefined) return { until: moment };
  const help = 'write a time with its zone, as 2026-12-31T18:00:00Z, or a date, whose end in UTC is meant';
  report('error', at, `"${until}" is no moment at which a rule could end`, help);
  return {};
}

/** The mode entries, in the order of the file. */
export function modesOf(entries: readonly ModeEntryText[], report: Report): ModeEntry[] {
  return entries.map(({ from, mode, name }, index) => {
    const path = ['network', 'modes', index];
    if (name !== undefined) checkName(name, path, report);
    return {
      name: name ?? `modes[${index}]`,
      from: fromOf(actionOf({ mode }), from, [...path, 'from'], report),
      mode,
    };
  });
}

function checkName(name: string, path: Path, report: Report): void {
  checkNames([name], [], (severity, _path, message) => report(severity, [...path, 'name'], message));
}

function fromOf(action: Action, from: FromText, path: Path, report: Report): From {
  for (const dimension of TEXT_DIMENSIONS) {
    const texts = from[dimension];
    if (texts) checkTexts(dimension, texts, [...path, dimension], report);
    if (texts && FROM[dimension].kind === 'file') {
      checkPatterns(texts, { action, role: FROM[dimension].role, from }, [...path, dimension], report);
    }
  }
  for (const dimension of ACCOUNT_DIMENSIONS) {
    const names = from[dimension];
    const { ids } = FROM[dimension];
    if (names) checkAccounts(names, [...path, dimension], report);
    if (names && from[ids]) {
      const message = `${ids} and ${dimension} say the same in two ways, and this rule has both`;
      report('error', [...path, dimension], message, 'name all by one of the two');
    }
  }
  if (from.host) checkHosts(from.host, [...path, 'host'], report);
  return { ...from };
}

/** Patterns of files are resolved on the host: refused where a rule is about more than that. */
function checkPatterns(
  texts: readonly string[],
  { action, from, role }: { action: Action; from: FromText; role: Role },
  path: Path,
  report: Report,
): void {
  for (const [index, text] of texts.entries()) {
    if (!isGlob(text)) continue;
    const at = [...path, index];
    if (meansContainerFiles(from)) {
      const message = `"${text}" stands for files of the host, and this rule is for files of containers`;
      report('error', at, message, 'name each path: users of a container could make a file that matches');
    } else if (action === 'deny' && role === 'part') {
      const message = `"${text}": a deny by script takes no pattern, since scripts are denied wherever they are`;
      report('error', at, message, 'name each script');
    }
  }
}

function toOf({ action, keep, sets }: RuleList, text: ToText, path: Path, report: Report): To {
  const to: To = {};
  for (const dimension of DESTINATION_DIMENSIONS) {
    Object.assign(to, READERS[dimension](text, path, report, sets));
  }
  if (text.name && action === 'deny') {
    const message =
      'a deny rule cannot name its destinations: it would miss each address that was not looked up, and hit the other names of a shared one';
    report('error', [...path, 'name'], message, 'deny by cidr, or leave the name out of the allow rules');
  }
  if (text.name) to.keep = text.keep === undefined ? keep : readKeep(text.keep, [...path, 'keep'], report);
  else if (text.keep !== undefined) {
    const message = 'keep says for how long names count, and this destination has none';
    report('error', [...path, 'keep'], message, 'remove it, or add name');
  }
  if (to.ports && to.protocols && !to.protocols.some(hasPorts)) {
    const help = 'remove port, or name a protocol that has ports';
    report('error', [...path, 'port'], 'none of these protocols has ports, so nothing matches', help);
  }
  return to;
}

/** What an entry of `to` says of each dimension; nothing where it does not name it. */
const READERS: {
  [D in DestinationDimension]: (text: ToText, path: Path, report: Report, sets: Sets) => Pick<To, D>;
} = {
  names: ({ name }, path, report, sets) =>
    name ? { names: readNames(name, [...path, 'name'], report, sets) } : {},
  prefixes: readDestinations,
  ports: ({ port }, path, report, sets) =>
    port ? { ports: readPorts(port, [...path, 'port'], report, sets) } : {},
  protocols: ({ protocol }) => (protocol ? { protocols: readProtocols(protocol) } : {}),
};

function readDestinations(
  { cidr, except, name }: ToText,
  path: Path,
  report: Report,
  sets: Sets,
): Pick<To, 'prefixes'> {
  const prefixes = cidr && readPrefixes(cidr, [...path, 'cidr'], report, sets);
  if (!except) return prefixes ? { prefixes } : {};
  const holes = readPrefixes(except, [...path, 'except'], report, sets);
  if (prefixes) return { prefixes: carve(prefixes, holes, [...path, 'except'], report) };
  const help = `add cidr: [${name ? 'public' : '0.0.0.0/0, "::/0"'}]`;
  report('error', [...path, 'except'], 'except carves from cidr, which is not here', help);
  return {};
}

function carve(from: readonly Prefix[], holes: readonly Prefix[], path: Path, report: Report): Prefix[] {
  const rest = subtractPrefixes(from, holes);
  if (rest.length === 0 && from.length > 0) {
    report('error', path, 'except leaves nothing of cidr, so nothing matches', 'remove this destination');
  }
  return rest;
}

/**
 * One deny box per deny list that holds something, one allow box unless cidr.allow is empty, and one for
 * sockets.
 */
function flatBoxes({ sockets, ...lists }: Version2['network'], sets: Sets, report: Report): PlacedBox[] {
  const boxes = listBoxes(lists, sets, report);
  if (sockets) boxes.push(socketBox(sockets, ['network', 'sockets']));
  return boxes;
}

/** Every process may open these sockets. */
export function socketBox(sockets: SocketKind[], path: Path): PlacedBox {
  return { box: { action: 'allow', name: 'sockets', from: {}, to: { sockets } }, path };
}

function listBoxes(lists: Version2['network'], sets: Sets, report: Report): PlacedBox[] {
  const { command } = lists;
  if (command?.allow) checkCommands(command.allow, ['network', 'command', 'allow'], report);
  if (command?.deny) checkCommands(command.deny, ['network', 'command', 'deny'], report);
  return [...denyBoxes(lists, sets, report), ...allowBoxes(lists, sets, report)];
}

function denyBoxes(lists: Version2['network'], sets: Sets, report: Report): PlacedBox[] {
  const boxes: PlacedBox[] = [];
  const deny = (key: FlatKey, from: From, to: To) =>
    boxes.push({ box: { action: 'deny', name: `${key}.deny`, from, to }, path: ['network', key, 'deny'] });
  const denied = lists.cidr?.deny ?? [];
  if (denied.length > 0) {
    deny('cidr', {}, { prefixes: readPrefixes(denied, ['network', 'cidr', 'deny'], report, sets) });
  }
  for (const key of FLAT_SUBJECTS) {
    const values = lists[key]?.deny ?? [];
    if (values.length > 0) deny(key, { [key]: values }, {});
  }
  return boxes;
}

function allowBoxes({ cidr, ...subjects }: Version2['network'], sets: Sets, report: Report): PlacedBox[] {
  if (cidr?.allow?.length === 0) return [];
  const from: From = {};
  for (const key of FLAT_SUBJECTS) {
    const values = subjects[key]?.allow;
    if (values) Object.assign(from, { [key]: values });
  }
  const to: To = {};
  if (cidr?.allow) to.prefixes = readPrefixes(cidr.allow, ['network', 'cidr', 'allow'], report, sets);
  const { command, uid, gid } = subjects;
  const path = allowPath({ cidr, command, uid, gid });
  return [{ box: { action: 'allow', name: 'allow', from, to }, path }];
}

/** Where an allow box made of lists is said to be: at the first of them. */
export function allowPath(lists: Partial<Record<string, { allow?: unknown } | undefined>>): Path {
  const key = Object.keys(lists).find((each) => lists[each]?.allow);
  return key === undefined ? ['network'] : ['network', key, 'allow'];
}
