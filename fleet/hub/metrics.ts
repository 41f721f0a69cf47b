import type { IntakeCounts } from './intake.ts';
import type { OfferingCounts } from './offering.ts';

/** What a hub reports of itself. */
export interface HubStatus {
  version: string;
  /** Streams of agents, and those that believe every authority of now. */
  streams: number;
  trusting: number;
  engineReachable: boolean;
  leads: boolean;
  intake: IntakeCounts;
  offering: OfferingCounts & { open: number; waiting: number };
  /** Bytes. */
  memory: number;
  faults: number;
}

/** That in the text format of Prometheus. Counters begin at 0 with each start. */
export function hubMetrics(status: HubStatus): string {
  const { intake, offering } = status;
  const lines = [
    ...metric('info', 'gauge', 'Version of the hub; always 1.', 1, `{version="${status.version}"}`),
    ...metric('streams', 'gauge', 'Streams of agents that are open.', status.streams),
    ...metric('streams_trusting', 'gauge', 'Of those, agents that believe every authority.', status.trusting),
    ...metric(
      'engine_reachable',
      'gauge',
      'Whether the engine answered last.',
      Number(status.engineReachable),
    ),
    ...metric('leads', 'gauge', 'Whether this hub decides about roll-outs.', Number(status.leads)),
    ...metric('waiting_rows', 'gauge', 'Rows of evidence that wait to be stored.', intake.waitingRows),
    ...metric('rows_total', 'counter', 'Rows of evidence that were stored.', intake.rows),
    ...metric('refused_rows_total', 'counter', 'Rows of evidence that were refused.', intake.refusedRows),
    ...metric('busy_total', 'counter', 'Reports that were told to come later.', intake.busy),
    ...metric('merges_total', 'counter', 'Transactions that stored evidence.', intake.merges),
    ...metric('offers_total', 'counter', 'Policies that were offered to agents.', offering.offers),
    ...metric('offers_taken_total', 'counter', 'Offers that agents have taken.', offering.taken),
    ...metric('offers_refused_total', 'counter', 'Offers that agents have refused.', offering.refused),
    ...metric('offers_open', 'gauge', 'Offers without an answer yet.', offering.open),
    ...metric('offers_waiting', 'gauge', 'Agents that wait for their wave.', offering.waiting),
    ...metric('faults_total', 'counter', 'Failures that are faults of the hub.', status.faults),
    ...metric('resident_bytes', 'gauge', 'Memory of the process.', status.memory),
  ];
  return `${lines.join('\n')}\n`;
}

function metric(name: string, type: 'gauge' | 'counter', help: string, value: number, labels = ''): string[] {
  const full = `bouheki_hub_${name}`;
  return [`# HELP ${full} ${help}`, `# TYPE ${full} ${type}`, `${full}${labels} ${value}`];
}
