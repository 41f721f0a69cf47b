import { formatAddress } from '../../policy/value/address.ts';
import { containsAddress, formatPrefix, type Prefix } from '../../policy/value/cidr.ts';
import { destinationAddress, observedDestination } from '../../generator/destination/destination.ts';
import { partyOf } from '../../generator/drift/entry.ts';
import type { Policy } from '../../policy/meaning/policy.ts';
import type { Accounts, Subject } from '../../profiler/read/observation.ts';
import type { RecordedObservation } from '../../profiler/read/read.ts';
import type { PageFlow } from './html/page-data.ts';

/** Observations as the page shows them, those of most connections first. */
export function flowsOf(
  observations: readonly RecordedObservation[],
  accounts: Accounts,
  policy: Policy | undefined,
): PageFlow[] {
  const groupOf = grouping(policy);
  const names = new Map<Subject, string>();
  const nameOf = (subject: Subject): string => {
    let known = names.get(subject);
    if (known === undefined) names.set(subject, (known = partyOf(subject, accounts).name));
    return known;
  };
  const flows = new Map<string, PageFlow>();
  for (const observation of observations) {
    const { count, first, last, monitored, verdict } = observation;
    const subject = nameOf(observation.subject);
    const destination = observedDestination(observation);
    const got = verdict === 'allow' ? 'allow' : monitored ? 'noted' : 'deny';
    const key = `${got}\0${destination}\0${subject}`;
    const flow = flows.get(key);
    if (flow === undefined) {
      const group = groupOf(observation);
      flows.set(key, { subject, destination, group, verdict: got, count, first, last });
    } else {
      flow.count += count;
      flow.first = Math.min(flow.first, first);
      flow.last = Math.max(flow.last, last);
    }
  }
  return [...flows.values()].sort((a, b) => b.count - a.count);
}

/** What a destination belongs to: its name, the longest prefix of the policy's allow rules, its address. */
function grouping(policy: Policy | undefined): (observation: RecordedObservation) => string {
  const boxes = policy?.boxes.filter(({ action }) => action === 'allow') ?? [];
  const prefixes = unique(boxes.flatMap(({ to }) => to.prefixes ?? []));
  const found = new Map<string, string>();
  return (observation) => {
    const [name] = observation.names ?? [];
    if (observation.socket !== undefined) return `${observation.socket} socket`;
    if (name !== undefined) return name;
    const address = destinationAddress(observation);
    const text = formatAddress(address);
    let group = found.get(text);
    if (group === undefined) {
      const prefix = prefixes.find((each) => containsAddress(each, address));
      group = prefix === undefined ? text : formatPrefix(prefix);
      found.set(text, group);
    }
    return group;
  };
}

/** Each once, the longest first. Single addresses are left out: an address is its own group. */
function unique(prefixes: readonly Prefix[]): Prefix[] {
  const wide = prefixes.filter(({ family, length }) => length > 0 && length < (family === 4 ? 32 : 128));
  return [...new Map(wide.map((prefix) => [formatPrefix(prefix), prefix])).values()].sort(
    (a, b) => b.length - a.length,
  );
}
