import { plainPath } from '../bpf/interpreter.ts';
import { jsonDocument } from './terminal/json-document.ts';
import { visible } from '../error/visible.ts';
import { Command, InvalidArgumentError, Option } from 'commander';
import { BouhekiError } from '../error/error.ts';
import { parseAddress } from '../policy/value/address.ts';
import { isNameGlob, readNamePattern } from '../policy/value/host-name.ts';
import { explainFlow, type Explanation, UNKNOWN_ID } from '../policy/analysis/explain.ts';
import type { Parsed } from '../policy/file/parse.ts';
import {
  ACCOUNT_DIMENSIONS,
  type AccountDimension,
  FROM,
  FROM_DIMENSIONS,
  type IdDimension,
  isTextDimension,
  TEXT_DIMENSIONS,
  type TextDimension,
  type TextKind,
} from '../policy/meaning/dimension.ts';
import { AccountIds } from '../profiler/identity/account-id.ts';
import { accountsFor } from './option/account-table.ts';
import { followLinks } from '../policy/meaning/linked-path.ts';
import type { Flow, From } from '../policy/meaning/policy.ts';
import { hasPorts, parseProtocol } from '../policy/value/protocol.ts';
import { SOCKET_KINDS, type SocketKind } from '../policy/value/socket-kind.ts';
import { describeLinks, realPath, realPaths } from './option/linked-path.ts';
import { parseWithPlaces, readPolicyText } from './option/policy-file.ts';
import { warnAtOnce } from './option/policy-reader.ts';

interface Options extends Partial<Record<TextDimension | AccountDimension, string>> {
  to?: string;
  name: string[];
  socket?: SocketKind;
  uid?: string;
  euid?: string;
  fsuid?: string;
  gid?: string;
  egid?: string;
  fsgid?: string;
  json: boolean;
}

const HELP = `
Examples:
  $ bouheki explain policy.yaml --to 10.0.0.1:443/tcp --exe /usr/bin/curl --uid 1000
  $ bouheki explain policy.yaml --to '[fd00::1]:53/udp' --container web --json
  $ bouheki explain policy.yaml --to 140.82.121.6:443 --name api.github.com --exe /usr/bin/curl
  $ bouheki explain policy.yaml --to 10.0.0.1/icmp
  $ bouheki explain policy.yaml --socket raw --exe /usr/bin/ping

Options of the subject that are not given are unknown, and rules that name them do not match. The subject is in no
supplementary group.
Exit status: 0 allowed, 1 denied, 2 trouble.`;

/** What stands for a value in the help. */
const PLACEHOLDERS: Record<TextKind, string> = { command: 'name', file: 'path', path: 'path', name: 'name' };

const ID_OPTIONS: Record<IdDimension | AccountDimension, Record<string, string>> = {
  uid: {
    '--uid <id>': 'its real user id',
    '--euid <id>': 'its effective user id, where that is another: 0 in a setuid-root program',
    '--fsuid <id>': 'its user id for files, where that is not the effective one',
  },
  user: { '--user <name>': 'instead of --uid: its real user, by the name that it has on this host' },
  gid: {
    '--gid <id>': 'its real group id',
    '--egid <id>': 'its effective group id, where that is another',
    '--fsgid <id>': 'its group id for files, where that is not the effective one',
  },
  group: { '--group <name>': 'instead of --gid: its real group, by the name that it has on this host' },
};

/** The options that say a dimension of the subject, with what they mean. */
function optionsOf(dimension: keyof From): Record<string, string> {
  if (!isTextDimension(dimension)) return ID_OPTIONS[dimension];
  const { about, kind } = FROM[dimension];
  return { [`--${dimension} <${PLACEHOLDERS[kind]}>`]: about };
}

/**
 * `bouheki explain POLICY --to DESTINATION`, or `--socket KIND`: which rule decides, or which one comes
 * nearest.
 */
export function explainCommand(): Command {
  const command = new Command('explain')
    .argument('<policy>', 'the policy file, - for standard input')
    .option('--to <destination>', 'ADDRESS:PORT[/PROTOCOL], [IPV6]:PORT[/PROTOCOL] or ADDRESS/PROTOCOL')
    .option(
      '--name <name>',
      'a DNS name by which the address is known, its TTL not yet over; repeatable',
      (name: string, all: string[]) => [...all, readName(name)],
      [],
    )
    .addOption(
      new Option('--socket <kind>', 'instead of --to: a socket of this kind is opened')
        .choices(SOCKET_KINDS)
        .conflicts('to'),
    );
  for (const dimension of FROM_DIMENSIONS) {
    for (const [flags, about] of Object.entries(optionsOf(dimension))) command.option(flags, about);
  }
  return command
    .option('--json', 'print the explanation as JSON', false)
    .addHelpText('after', HELP)
    .action((file: string, options: Options) => run(file, options));
}

async function run(file: string, options: Options): Promise<void> {
  const flow = flowOf(await withIds(options));
  const text = readPolicyText(file);
  const written = parseWithPlaces(text, file, warnAtOnce);
  // The kernel goes by files: a link on either side is what it leads to.
  const { links, policy } = followLinks(written.policy, realPaths);
  if (!flow.inContainer && flow.exe !== undefined) flow.exe = realPath(flow.exe) ?? flow.exe;
  flow.accounts = await accountsFor(policy);
  const parsed = { ...written, policy };
  process.stderr.write(describeLinks(links));
  const explanation = explainFlow(parsed.policy, flow);
  process.stdout.write(options.json ? json(explanation, parsed) : prose(explanation, parsed));
  if (explanation.verdict.action === 'deny') process.exitCode = 1;
}

function json(
  { verdict, reason, nearest, fix }: Explanation,
  { policy, locationOf }: Required<Parsed>,
): string {
  const ruleOf = (box: number) => {
    const { line, column, path } = locationOf(box);
    return { name: policy.boxes[box]!.name, path, line, column };
  };
  const report = {
    verdict: verdict.action,
    mode: policy.mode,
    reason,
    ...(verdict.box === undefined ? {} : { rule: ruleOf(verdict.box) }),
    ...(nearest && { nearest: { ...ruleOf(nearest.box), ...nearest, box: undefined } }),
    ...(fix === undefined ? {} : { fix }),
  };
  return jsonDocument('explain', report);
}

function prose(
  { verdict, reason, nearest, fix }: Explanation,
  { policy, locationOf }: Required<Parsed>,
): string {
  const at = (box: number) => {
    const { file, line, column } = locationOf(box);
    return `${file}:${line}:${column}`;
  };
  const monitored = verdict.action === 'deny' && policy.mode === 'monitor';
  const where = verdict.box === undefined ? '' : ` (${at(verdict.box)})`;
  const lines = [
    `${monitored ? 'deny (monitor mode: recorded, not stopped)' : verdict.action}: ${reason}${where}`,
  ];
  if (nearest) {
    const { name } = policy.boxes[nearest.box]!;
    lines.push(`nearest: "${name}" (${at(nearest.box)}), but ${mismatchText(nearest)}`);
  }
  if (fix !== undefined) lines.push(`fix: ${fix}`);
  return `${lines.map(visible).join('\n')}\n`;
}

/** `not its port`; `its except takes the address out`; `not its port, and its except takes the address out`. */
function mismatchText({ excepted, mismatches, names }: NonNullable<Explanation['nearest']>): string {
  const others = mismatches.filter((key) => !(excepted && key === 'cidr'));
  return [
    ...(others.length > 0 ? [`not its ${others.join(', ')}`] : []),
    ...(excepted ? ['its except takes the address out'] : []),
    ...(names === undefined ? [] : [names]),
  ].join(', and ');
}

function flowOf(options: Options): Flow {
  const uid = idOf('--uid', options.uid);
  const euid = idOf('--euid', options.euid, uid);
  const gid = idOf('--gid', options.gid);
  const egid = idOf('--egid', options.egid, gid);
  const flow: Flow = {
    command: '',
    uid,
    euid,
    fsuid: idOf('--fsuid', options.fsuid, euid),
    gid,
    egid,
    fsgid: idOf('--fsgid', options.fsgid, egid),
    inContainer: options.container !== undefined || options.image !== undefined,
    ...attemptOf(options),
  };
  if (options.name.length > 0) flow.names = options.name.map((name) => ({ name, age: 0 }));
  for (const dimension of TEXT_DIMENSIONS) {
    const text = options[dimension];
    if (text === undefined) continue;
    flow[dimension] = FROM[dimension].kind === 'file' ? plainPath(text) : text;
  }
  return flow;
}

/** A name as it is recorded. */
function readName(text: string): string {
  const reading = readNamePattern(text);
  if ('pattern' in reading && !isNameGlob(reading.pattern)) return reading.pattern;
  const fault = 'fault' in reading ? reading.fault : `"${text}" stands for more than one name`;
  throw new InvalidArgumentError(`${fault}.`);
}

/** The options with ids in the place of names. */
async function withIds(options: Options): Promise<Options> {
  const ids: Partial<Record<IdDimension, string>> = {};
  for (const dimension of ACCOUNT_DIMENSIONS) {
    const name = options[dimension];
    if (name === undefined) continue;
    const { ids: key, of: kind } = FROM[dimension];
    if (options[key] !== undefined) {
      throw new BouhekiError('usage', `--${dimension} and --${key} say the same`, {
        remedy: 'give one of them',
      });
    }
    using host = new AccountIds([{ kind, name }]);
    await host.ready();
    const id = host.idOf(kind, name);
    if (id === undefined) {
      const remedy = `give the number with --${key}`;
      throw new BouhekiError('usage', `this host has no ${dimension} ${name}`, { remedy });
    }
    ids[key] = String(id);
  }
  return { ...options, ...ids };
}

function idOf(option: string, text: string | undefined, fallback = UNKNOWN_ID): number {
  if (text === undefined) return fallback;
  if (/^\d{1,10}$/.test(text) && Number(text) <= 4_294_967_295) return Number(text);
  throw new BouhekiError('usage', `${option} ${text} is not an id`, {
    remedy: option.startsWith('--uid') ? 'give the number, or the name with --user' : 'give the number',
  });
}

function attemptOf({ socket, to }: Options): Pick<Flow, 'address' | 'port' | 'protocol' | 'socket'> {
  if (to !== undefined) return destinationOf(to);
  if (socket !== undefined) return { address: { family: 4, value: 0n }, port: 0, protocol: 0, socket };
  throw new BouhekiError('usage', 'neither a destination nor a socket is named', {
    remedy: 'add --to 10.0.0.1:443/tcp or --socket raw',
  });
}

function destinationOf(text: string): Pick<Flow, 'address' | 'port' | 'protocol'> {
  const match =
    /^(?:\[([^\]]+)\]|([^/:[\]]+)|([^/[\]]*:[^/[\]]*:[^/[\]]*))(?::(\d{1,5}))?(?:\/([a-z0-9]+))?$/.exec(text);
  const destination = match && readDestination(match);
  if (destination) return destination;
  throw new BouhekiError('usage', `--to ${text} is not a destination`, {
    remedy: 'write it as 10.0.0.1:443/tcp, [fd00::1]:443/tcp or 10.0.0.1/icmp',
  });
}

/**
 * The parts of a destination, of which the address is written in one of three ways; undefined where one is
 * none.
 */
function readDestination([, bracketed, plain, bare, portText, protocolText]: RegExpExecArray) {
  const address = parseAddress((bracketed ?? plain ?? bare)!);
  const protocol = parseProtocol(protocolText ?? 'tcp');
  if (!address || protocol === undefined) return undefined;
  if (!hasPorts(protocol)) return Number(portText ?? 0) > 65_535 ? undefined : { address, port: 0, protocol };
  const port = Number(portText ?? Number.NaN);
  return port <= 65_535 ? { address, port, protocol } : undefined;
}
