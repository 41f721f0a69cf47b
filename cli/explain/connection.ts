import { plainPath } from '../../bpf/interpreter.ts';
import { jsonDocument } from '../terminal/json-document.ts';
import { visible } from '../../error/visible.ts';
import { BouhekiError } from '../../error/error.ts';
import { parseAddress } from '../../policy/value/address.ts';
import { explainFlow, UNKNOWN_ID } from '../../policy/analysis/explain.ts';
import {
  ACCOUNT_DIMENSIONS,
  type AccountDimension,
  FROM,
  type IdDimension,
  TEXT_DIMENSIONS,
  type TextDimension,
} from '../../policy/meaning/dimension.ts';
import { AccountIds } from '../../profiler/identity/account-id.ts';
import { accountsFor } from '../option/account-table.ts';
import { followLinks } from '../../policy/meaning/linked-path.ts';
import type { Flow } from '../../policy/meaning/policy.ts';
import { hasPorts, parseProtocol } from '../../policy/value/protocol.ts';
import { type SocketKind } from '../../policy/value/socket-kind.ts';
import { describeUnknownHost, judgedHost } from '../option/fleet-host.ts';
import { describeLinks, realPath, realPaths } from '../option/linked-path.ts';
import { parseWithPlaces, readPolicyText } from '../option/policy-file.ts';
import { warnAtOnce } from '../option/policy-reader.ts';
import { whyJson, whyLines } from './why.ts';

/** What `explain` was asked for, as commander hands it over. */
export interface ExplainOptions extends Partial<Record<TextDimension | AccountDimension, string>> {
  to?: string;
  name: string[];
  socket?: SocketKind;
  /** The host of a fleet; absent: this one. */
  host?: string[];
  uid?: string;
  euid?: string;
  fsuid?: string;
  gid?: string;
  egid?: string;
  fsgid?: string;
  json: boolean;
}

/** Prints what a policy decides of one connection or socket, which the options name, and why. */
export async function explainConnection(file: string, options: ExplainOptions): Promise<void> {
  const flow = flowOf(await withIds(options));
  const text = readPolicyText(file);
  const written = parseWithPlaces(text, file, warnAtOnce);
  // The kernel goes by files: a link on either side is what it leads to.
  const { links, policy } = followLinks(written.policy, realPaths);
  if (!flow.inContainer && flow.exe !== undefined) flow.exe = realPath(flow.exe) ?? flow.exe;
  flow.accounts = await accountsFor(policy);
  const host = judgedHost(options.host);
  if (host !== undefined) flow.host = host;
  const parsed = { ...written, policy };
  process.stderr.write(describeLinks(links) + describeUnknownHost(policy, host));
  const explanation = explainFlow(parsed.policy, flow);
  const said = options.json
    ? jsonDocument('explain', whyJson(explanation, parsed))
    : `${whyLines(explanation, parsed).map(visible).join('\n')}\n`;
  process.stdout.write(said);
  if (explanation.verdict.action === 'deny') process.exitCode = 1;
}

function flowOf(options: ExplainOptions): Flow {
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
    at: Date.now() * 1000,
  };
  if (options.name.length > 0) flow.names = options.name.map((name) => ({ name, age: 0 }));
  for (const dimension of TEXT_DIMENSIONS) {
    const text = options[dimension];
    if (text === undefined) continue;
    flow[dimension] = FROM[dimension].kind === 'file' ? plainPath(text) : text;
  }
  return flow;
}

/** The options with ids in the place of names. */
export async function withIds(options: ExplainOptions): Promise<ExplainOptions> {
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

export function idOf(option: string, text: string | undefined, fallback = UNKNOWN_ID): number {
  if (text === undefined) return fallback;
  if (/^\d{1,10}$/.test(text) && Number(text) <= 4_294_967_295) return Number(text);
  throw new BouhekiError('usage', `${option} ${text} is not an id`, {
    remedy: option.startsWith('--uid') ? 'give the number, or the name with --user' : 'give the number',
  });
}

function attemptOf({ socket, to }: ExplainOptions): Pick<Flow, 'address' | 'port' | 'protocol' | 'socket'> {
  if (to !== undefined) return destinationOf(to);
  return { address: { family: 4, value: 0n }, port: 0, protocol: 0, socket: socket! };
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
