import { nearestRule, UNKNOWN_ID } from '../../policy/analysis/explain.ts';
import type { Flow } from '../../policy/meaning/policy.ts';
import type { VerdictEntry } from '../../enforcer/log/entry.ts';
import { socketKindOf } from '../../profiler/event/socket-kind.ts';
import { formatAddress } from '../../policy/value/address.ts';
import { formatOpening } from '../../policy/value/opening.ts';
import { formatProtocol } from '../../policy/value/protocol.ts';
import type { Denial, ExcessDenials } from '../../profiler/record/denial.ts';
import type { JudgingPolicy } from './generation-memory.ts';

/** No container can have this name. */
const UNKNOWN_CONTAINER = '(unknown)';

/**
 * The key under which the log limits the lines of a denial. The name of a container that a user of the host
 * has chosen is no key; ids without an account share one, because one user may have any number of them.
 */
export function payerOf(denial: Denial | ExcessDenials): string {
  const container = 'image' in denial ? denial.image?.container : undefined;
  if (container?.known) return `container ${container.id}`;
  const user = denial.user === undefined ? 'ids without an account' : `user ${denial.uid}`;
  return denial.inContainer ? `${user} in containers` : user;
}

/** The log entry of denials that were only counted. */
export function excessOf({ blocked, count, inContainer, uid, user }: ExcessDenials): VerdictEntry {
  return {
    action: blocked ? 'BLOCKED' : 'MONITOR',
    uid,
    ...(user !== undefined && !inContainer && { user }),
    ...(inContainer && { container: UNKNOWN_CONTAINER }),
    count,
  };
}

/** The log entry of a denial. `judged` is the policy of its generation, if that is still known. */
export function entryOf(denial: Denial, judged: JudgingPolicy | undefined): VerdictEntry {
  const inContainer = denial.image?.inContainer ?? denial.inContainer;
  return {
    action: denial.blocked ? 'BLOCKED' : 'MONITOR',
    ...targetOf(denial),
    command: denial.command,
    hostname: denial.image?.nodename ?? '',
    ...(denial.pid !== 0 && { pid: denial.pid }),
    ...(denial.count !== 1 && { count: denial.count }),
    uid: denial.uid,
    // In a container another user has this id.
    ...(denial.user !== undefined && !inContainer && { user: denial.user }),
    ...programOf(denial),
    ...(inContainer && containerOf(denial)),
    ...ruleOf(denial, judged),
    ...nearestTo(denial, judged),
  };
}

function targetOf({ destination, name, protocol, socket }: Denial): Partial<VerdictEntry> {
  const kind = socket === undefined ? undefined : socketKindOf(socket);
  return {
    ...(destination && { address: formatAddress(destination), port: destination.port }),
    ...(destination && name !== undefined && { name }),
    ...(kind !== undefined && { socket: kind }),
    protocol: kind === undefined ? formatProtocol(protocol) : formatOpening(kind, protocol),
  };
}

function programOf({ image }: Denial): Partial<VerdictEntry> {
  return {
    ...(image?.path && { exe: image.path }),
    ...(image?.parentCommand && { parentCommand: image.parentCommand }),
    ...(image?.ancestors && { ancestors: image.ancestors }),
  };
}

function containerOf({ image }: Denial): Partial<VerdictEntry> {
  return {
    container: image?.container?.name ?? UNKNOWN_CONTAINER,
    ...(image?.container?.image && { image: image.container.image }),
  };
}

function ruleOf({ box }: Denial, judged: JudgingPolicy | undefined): Partial<VerdictEntry> {
  const rule = box === undefined ? undefined : judged?.policy.boxes[box]?.name;
  return { ...(rule !== undefined && { rule }), policy: judged?.hash ?? '' };
}

/** What is known of the denied connection, for the rule that comes nearest; its other ids are in no list. */
function nearestTo(denial: Denial, judged: JudgingPolicy | undefined): Partial<VerdictEntry> {
  if (denial.box !== undefined || judged === undefined || denial.destination === undefined) return {};
  const { command, destination, image, protocol, uid } = denial;
  const { port, ...address } = destination;
  const flow: Flow = {
    command,
    ...imageOf(image),
    uid,
    euid: uid,
    gid: UNKNOWN_ID,
    egid: UNKNOWN_ID,
    ...(denial.user !== undefined && {
      accounts: { namesOf: (_, id) => (id === uid ? [denial.user!] : []) },
    }),
    inContainer: image?.inContainer ?? denial.inContainer,
    address,
    port,
    protocol,
    at: Date.now() * 1000,
  };
  const { boxes } = judged.policy;
  return { nearest: { boxes: boxes.length, find: () => nearestRule(boxes, flow) } };
}

/** What is known of the process. */
function imageOf(image: Denial['image']): Partial<Flow> {
  const { container, path, script, unit } = image ?? {};
  return {
    ...(path && { exe: path }),
    ...(script && { script }),
    ...(unit && { unit }),
    ...(container?.name && { container: container.name }),
    ...(container?.image && { image: container.image }),
  };
}
