import { printJson } from '../../error/visible.ts';
import { formatExactMoment } from '../../format/moment.ts';
import { compact, type LineFormat, MESSAGE, MISSING, type VerdictEntry } from './entry.ts';

/** Its version of the fields. */
const ECS_VERSION = '8.11.0';

/**
 * A verdict in the fields of the Elastic Common Schema
 * (https://www.elastic.co/guide/en/ecs/8.11/ecs-field-reference.html). What it has no field for is in `bouheki`.
 *
 * @param at Milliseconds since the epoch.
 */
export function ecsOf(entry: VerdictEntry, at: number, labels: Readonly<Record<string, string>>): unknown {
  const { address, command, exe, image, parentCommand, pid, rule, uid, user } = entry;
  const blocked = entry.action === 'BLOCKED';
  return compact({
    ...common('info', at, labels),
    message: MESSAGE,
    event: {
      kind: 'event',
      category: ['network'],
      type: blocked ? ['connection', 'denied'] : ['connection', 'info'],
      action: blocked ? 'blocked' : 'monitored',
      module: 'bouheki',
      dataset: 'bouheki.verdict',
    },
    network: { transport: entry.protocol, type: familyOf(address), direction: 'egress' },
    destination: {
      address: entry.name ?? address,
      domain: entry.name,
      ip: address,
      port: entry.port,
    },
    process: {
      pid,
      name: command,
      executable: exe,
      parent: { name: parentCommand },
    },
    user: { id: String(uid), name: user },
    host: { hostname: entry.hostname },
    container: { name: entry.container, image: { name: image } },
    rule: { name: rule },
    bouheki: {
      ancestors: entry.ancestors,
      count: entry.count,
      policy: entry.policy,
      socket: entry.socket,
    },
  });
}

/** Lines of JSON, an object each. */
export function ecsLines(labels: Readonly<Record<string, string>>, now: () => number): LineFormat {
  return {
    verdict: (entry) => `${printJson(ecsOf(entry, now(), labels))}\n`,
    missing: (dropped) =>
      `${printJson({ ...common('warn', now(), labels), message: MISSING, bouheki: { dropped } })}\n`,
  };
}

function common(level: string, at: number, labels: Readonly<Record<string, string>>): object {
  return {
    '@timestamp': formatExactMoment(at * 1000),
    'log.level': level,
    'ecs.version': ECS_VERSION,
    ...(Object.keys(labels).length > 0 && { labels }),
  };
}

function familyOf(address: string | undefined): string | undefined {
  if (address === undefined) return undefined;
  return address.includes(':') ? 'ipv6' : 'ipv4';
}
