import { FROM, type TextDimension, type TextKind } from '../meaning/dimension.ts';
import { LONGEST_KEEP, NAME_DEFAULTS } from '../meaning/known-name.ts';
import type { NameOptions } from '../meaning/policy.ts';
import { type Address, parseAddress } from '../value/address.ts';
import { readNamePattern } from '../value/host-name.ts';
import { FOREVER, formatKeep, parseKeep } from '../value/keep.ts';
import type { NamesText } from './schema.ts';
import { isSetReference } from '../value/set-name.ts';
import type { Sets } from './set.ts';
import { formatPrefix, type Prefix, readPrefix } from '../value/cidr.ts';
import { COMMAND_BYTES, isGlob } from '../value/name.ts';
import { parsePortRange, type PortRange } from '../value/port.ts';
import { prefixGroup, PREFIX_GROUPS } from '../value/prefix-group.ts';
import { closestWord, type Path, type Problem } from './problem.ts';
import { parseProtocol } from '../value/protocol.ts';

/** Takes note of a problem with the value at `path`. */
export type Report = (severity: Problem['severity'], path: Path, message: string, help?: string) => void;

/** What stands for `@NAME` in a list of a kind. */
export type SetResolver = Pick<Sets, 'resolve'>;

/** The prefixes that a list of addresses, CIDRs, groups and sets stands for, in its order. */
export function readPrefixes(
  texts: readonly string[],
  path: Path,
  report: Report,
  sets?: SetResolver,
): Prefix[] {
  const prefixes: Prefix[] = [];
  for (const [index, text] of texts.entries()) {
    if (sets && isSetReference(text)) {
      for (const each of sets.resolve('cidr', text, [...path, index], report)) prefixes.push(each);
      continue;
    }
    const reading = readPrefix(text);
    if ('prefix' in reading) {
      prefixes.push(reading.prefix);
      if (reading.cleared) {
        const meant = formatPrefix(reading.prefix);
        const message = `"${text}" has host bits set and is read as ${meant}`;
        report('warning', [...path, index], message, `write ${meant}`);
      }
      continue;
    }
    const group = prefixGroup(text);
    if (group) prefixes.push(...group);
    else report('error', [...path, index], reading.fault, cidrHelp(text));
  }
  return prefixes;
}

function cidrHelp(text: string): string {
  if (isSetReference(text)) return 'sets belong to rules of version: 2';
  const close = closestWord(text, PREFIX_GROUPS);
  if (close !== undefined && !/\d/.test(text)) return `did you mean ${close}?`;
  return `write an address, a CIDR such as 10.0.0.0/8, or one of ${PREFIX_GROUPS.join(', ')}`;
}

/** The ranges that a list of ports, ranges and sets stands for. */
export function readPorts(
  ports: readonly (string | number)[],
  path: Path,
  report: Report,
  sets?: SetResolver,
): PortRange[] {
  const ranges: PortRange[] = [];
  for (const [index, port] of ports.entries()) {
    if (sets && isSetReference(port)) {
      for (const each of sets.resolve('port', port, [...path, index], report)) ranges.push(each);
      continue;
    }
    const range = parsePortRange(String(port));
    if (range) ranges.push(range);
    else
      report(
        'error',
        [...path, index],
        `"${port}" is not a range of ports`,
        'write "first-last", 0 to 65535',
      );
  }
  return ranges;
}

/** The numbers that a list of protocol names and numbers stands for; the schema has checked them. */
export function readProtocols(protocols: readonly (string | number)[]): number[] {
  return protocols.map((protocol) => parseProtocol(String(protocol))!);
}

/** The patterns that a list of names and sets stands for, each once. */
export function readNames(
  texts: readonly string[],
  path: Path,
  report: Report,
  sets?: SetResolver,
): string[] {
  const patterns = texts.flatMap((text, index): readonly string[] => {
    if (sets && isSetReference(text)) return sets.resolve('name', text, [...path, index], report);
    const reading = readNamePattern(text);
    if ('pattern' in reading) return [reading.pattern];
    report('error', [...path, index], reading.fault, reading.help);
    return [];
  });
  return [...new Set(patterns)];
}

/** The seconds of a `keep`, of which the schema has checked the form. */
export function readKeep(text: string, path: Path, report: Report): number {
  const keep = parseKeep(text);
  if (keep === undefined) {
    report('error', path, `keep: ${text} has its units out of order`, 'write the larger unit first: 1h30m');
    return LONGEST_KEEP;
  }
  if (keep <= LONGEST_KEEP || keep === Infinity) return keep;
  const message = `keep: ${text} is longer than names are remembered, ${formatKeep(LONGEST_KEEP)}`;
  report('error', path, message, `write ${formatKeep(LONGEST_KEEP)}, or ${FOREVER}`);
  return LONGEST_KEEP;
}

/** What a policy says of names, with what it does not say. */
export function readNameOptions(text: NamesText, report: Report): NameOptions {
  const { hosts, keep, resolvers } = text;
  return {
    resolvers: resolvers
      ? readResolvers(resolvers, ['names', 'resolvers'], report)
      : [...NAME_DEFAULTS.resolvers],
    keep: keep === undefined ? NAME_DEFAULTS.keep : readKeep(keep, ['names', 'keep'], report),
    hosts: hosts ?? NAME_DEFAULTS.hosts,
  };
}

function readResolvers(texts: readonly string[], path: Path, report: Report): ('auto' | Address)[] {
  return texts.flatMap((text, index): ('auto' | Address)[] => {
    const resolver = text === 'auto' ? text : parseAddress(text);
    if (resolver) return [resolver];
    const help = 'write auto, or the address of each resolver; its port is always 53';
    report(
      'error',
      [...path, index],
      `${JSON.stringify(text.slice(0, 80))} is not the address of a resolver`,
      help,
    );
    return [];
  });
}

/** Checks a list of texts of a dimension. */
export function checkTexts(
  dimension: TextDimension,
  texts: readonly string[],
  path: Path,
  report: Report,
): void {
  CHECKS[FROM[dimension].kind](texts, path, report);
}

const CHECKS: Record<TextKind, (texts: readonly string[], path: Path, report: Report) => void> = {
  command: checkCommands,
  file: checkFiles,
  path: checkPaths,
  name: checkNames,
};

/** Checks a list of command patterns. */
export function checkCommands(commands: readonly string[], path: Path, report: Report): void {
  checkNames(commands, path, report);
  for (const [index, command] of commands.entries()) {
    const at = [...path, index];
    if (isGlob(command.slice(0, -1))) {
      const help = `the kernel compares the beginning: write "${command.split('*')[0]}*"`;
      report('error', at, `in a command only the last character may be *, not in "${command}"`, help);
    } else if (command.includes('/')) {
      report('error', at, `"${command}" is a path, not a command`, 'use exe for paths of executables');
    } else if (Buffer.byteLength(command.replace(/\*$/, '')) > COMMAND_BYTES) {
      const message = `the kernel keeps ${COMMAND_BYTES} bytes of a command: only those of "${command}" are compared`;
      report('warning', at, message);
    }
  }
}

/** Checks a list of hosts: names and labels, which take no pattern. */
export function checkHosts(hosts: readonly string[], path: Path, report: Report): void {
  checkNames(hosts, path, report);
  for (const [index, host] of hosts.entries()) {
    const at = [...path, index];
    const quoted = `"${host.slice(0, 80)}"`;
    if (/[*?]/.test(host)) {
      report(
        'error',
        at,
        `a host takes no pattern: ${quoted}`,
        'name each host, or a label that they have: role=web',
      );
    } else if (/^\s|\s$|^=/.test(host)) {
      const help = 'write the name or id of a host, or a label as KEY=VALUE';
      report('error', at, `${quoted} is neither the name of a host nor a label`, help);
    }
  }
}

/** As LOGIN_NAME_MAX has it. */
const ACCOUNT_BYTES = 255;

/** Checks a list of names of users or groups: what no directory takes for a name of one. */
export function checkAccounts(names: readonly string[], path: Path, report: Report): void {
  checkNames(names, path, report);
  for (const [index, name] of names.entries()) {
    const at = [...path, index];
    const quoted = `"${name.slice(0, 80)}"`;
    if (/^[+-]?\d+$/.test(name)) {
      const ids = path.at(-1) === 'group' ? 'gid' : 'uid';
      report('error', at, `${quoted} is a number, not a name`, `write ${ids}: [${Number(name)}]`);
    } else if (/[*?]/.test(name)) {
      report('error', at, `a name of a user or group takes no pattern: ${quoted}`, 'write each name');
    } else if (/^[\s-]|\s$|[:/[\],;|=<>"]/.test(name)) {
      const help = 'write it as `getent passwd` or `getent group` prints it';
      report('error', at, `${quoted} cannot be the name of a user or group`, help);
    } else if (Buffer.byteLength(name) > ACCOUNT_BYTES) {
      report('error', at, `${quoted} is longer than ${ACCOUNT_BYTES} bytes, which no name is`);
    }
  }
}

/** Checks a list of paths of files, in which `*` stands for text within one step. */
function checkFiles(paths: readonly string[], path: Path, report: Report): void {
  checkPaths(paths, path, report);
  for (const [index, text] of paths.entries()) {
    if (!text.includes('**')) continue;
    const message = `** is not accepted in a path of a file: "${text}"`;
    report('error', [...path, index], message, 'a * reaches across no /: write one for each directory');
  }
}

/** Checks a list of absolute paths. */
function checkPaths(paths: readonly string[], path: Path, report: Report): void {
  checkNames(paths, path, report);
  for (const [index, text] of paths.entries()) {
    const at = [...path, index];
    if (!text.startsWith('/')) {
      report('error', at, `"${text}" is not an absolute path`, 'begin it with /');
    } else if (/\/(?:\.{0,2})(?:\/|$)/.test(text) && text !== '/') {
      report('error', at, `"${text}" is not in its shortest form`, 'leave out //, /./, /../ and a last /');
    }
  }
}

/** Checks a list of names: no control characters, which no log should have to show. */
export function checkNames(names: readonly string[], path: Path, report: Report): void {
  for (const [index, name] of names.entries()) {
    if (/\p{Cc}/u.test(name)) {
      report('error', [...path, index], `${JSON.stringify(name)} holds control characters`);
    }
  }
}

/** What stands for bytes that are no UTF-8 once they are text: which bytes they were is not known any more. */
export const REPLACED = '\ufffd';

/**
 * Whether a rule can name exactly this value. Some that occur cannot be written: a path that is not in its
 * shortest form, a command with a slash, control characters, what was no UTF-8; and a `*` would stand for others too.
 */
export function isNameable(dimension: TextDimension, value: string): boolean {
  let errors = isGlob(value) || value.includes(REPLACED) ? 1 : 0;
  const report: Report = (severity) => {
    if (severity === 'error') errors++;
  };
  checkTexts(dimension, [value], [], report);
  return errors === 0;
}
