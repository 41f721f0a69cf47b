import { visible } from '../../../../error/visible.ts';
import { isLeftOut } from '../../../../fleet/wire/feature.ts';
import type { HostMessage } from '../../../../fleet/wire/message.ts';
import { formatDuration } from '../../../../format/duration.ts';
import { jsonDocument } from '../../../terminal/json-document.ts';
import { formatTable } from '../../../terminal/table.ts';
import { listOf, type OperatorOptions, withOperator } from './operator.ts';

/** What `fleet hosts` was asked for. */
export interface HostsOptions extends OperatorOptions {
  workload?: string;
  json: boolean;
}

const HEAD = ['HOST', 'WORKLOAD', 'STATE', 'SEEN', 'RELEASE', 'MODE', 'PLACEMENT', 'NOTES'];

/** Prints all hosts, or those of a workload. */
export async function listHosts({ json, workload = '', ...options }: HostsOptions): Promise<void> {
  const hosts = await withOperator(options, (hub) => listOf(hub, 'Admin/Hosts', workload));
  const sorted = hosts.toSorted((a, b) =>
    a.name < b.name ? -1 : a.name > b.name ? 1 : a.id < b.id ? -1 : 1,
  );
  if (json) {
    process.stdout.write(jsonDocument('fleet-hosts', { hosts: sorted.map(hostJson) }));
    return;
  }
  if (sorted.length === 0) process.stderr.write('There is no host.\n');
  else {
    const now = Date.now();
    const lines = formatTable(
      HEAD,
      sorted.map((host) => rowOf(host, now)),
      { names: [0, 1] },
    );
    process.stdout.write(lines.map((line) => `${line}\n`).join(''));
  }
}

function rowOf(host: HostMessage, now: number): string[] {
  const { lastSeen, mode, name, placement, refusal, revision, state, workload } = host;
  return [
    visible(name),
    visible(workload) || '-',
    state,
    lastSeen === 0 ? 'never' : `${formatDuration(Math.max(0, (now - lastSeen) / 1000))} ago`,
    revision === 0 ? '-' : String(revision),
    revision === 0 ? '-' : visible(mode),
    placement || '-',
    visible([...marksOf(host), ...(refusal === '' ? [] : [refusal])].join(', ')),
  ];
}

/** What is out of the ordinary with a host, a word each. */
function marksOf(host: HostMessage): string[] {
  const { clone, fallback, lost, stale, state } = host;
  return [
    ...(state !== 'revoked' && isLeftOut(host) ? ['takes no policies'] : []),
    ...(clone ? ['clone'] : []),
    ...(fallback ? ['fallback'] : []),
    ...(stale ? ['stale'] : []),
    ...(lost > 0 ? [`${lost} lost`] : []),
  ];
}

function hostJson({ certificateEnds, digest, enrolled, lastSeen, ...rest }: HostMessage): object {
  return {
    ...rest,
    digest: digest.toString('hex'),
    enrolled: new Date(enrolled).toISOString(),
    lastSeen: lastSeen === 0 ? null : new Date(lastSeen).toISOString(),
    certificateEnds: new Date(certificateEnds).toISOString(),
  };
}
