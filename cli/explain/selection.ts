import { plainPath } from '../../bpf/interpreter.ts';
import type { Party } from '../../generator/drift/entry.ts';
import { FROM, TEXT_DIMENSIONS } from '../../policy/meaning/dimension.ts';
import { matchesFrom } from '../../policy/meaning/evaluate.ts';
import type { Box, Flow, Policy } from '../../policy/meaning/policy.ts';
import { containsAddress, containsPrefix, type Prefix } from '../../policy/value/cidr.ts';
import { matchesName } from '../../policy/value/host-name.ts';
import type { Observation } from '../../profiler/read/observation.ts';
import { type ExplainOptions, idOf } from './connection.ts';

/** What of the record is to be explained: all that is given must hold. */
export interface Selection extends ExplainOptions {
  /** The rule of the policy that decides about it now. */
  rule?: string;
  address?: Prefix;
  /** Who, as `drift` calls it. */
  subject?: string;
}

/** An observation as a policy sees it. */
export interface Seen {
  observation: Observation;
  flow: Flow;
  party: Party;
  /** The name of the rule that decides now. */
  rule?: string;
}

const IDS = ['uid', 'euid', 'fsuid', 'gid', 'egid', 'fsgid'] as const;

/** The test of a selection. Throws BouhekiError `usage` for an id that is none. */
export function selects(selection: Selection): (seen: Seen) => boolean {
  const ids = IDS.flatMap((key) =>
    selection[key] === undefined ? [] : [{ key, id: idOf(`--${key}`, selection[key]) }],
  );
  const texts = TEXT_DIMENSIONS.flatMap((key) => {
    const text = selection[key];
    return text === undefined ? [] : [{ key, text: FROM[key].kind === 'file' ? plainPath(text) : text }];
  });
  const { address, name, rule, subject } = selection;
  return ({ flow, observation, party, rule: decided }) =>
    (rule === undefined || rule === decided) &&
    (subject === undefined || subject === party.name) &&
    (address === undefined || (flow.socket === undefined && containsAddress(address, flow.address))) &&
    (name.length === 0 || name.some((each) => observation.names?.includes(each) === true)) &&
    ids.every(({ id, key }) => idIn(flow, key) === id) &&
    texts.every(({ key, text }) => flow[key] === text);
}

/** An id of a flow; one that is not recorded is the one that it follows. */
function idIn(flow: Flow, key: (typeof IDS)[number]): number {
  const { egid = flow.gid, euid = flow.uid, gid, uid } = flow;
  return { uid, euid, fsuid: flow.fsuid ?? euid, gid, egid, fsgid: flow.fsgid ?? egid }[key];
}

/** The boxes that speak of what is selected: the rule, those with the address or the name, else those of the subjects. */
export function boxesAbout({ boxes }: Policy, selection: Selection, seen: readonly Seen[]): number[] {
  const { address, name, rule } = selection;
  const speaks = (box: Box): boolean => {
    if (rule !== undefined) return box.name === rule;
    if (address !== undefined) return hasAddress(box, address);
    if (name.length > 0)
      return name.some((each) => box.to.names?.some((pattern) => matchesName(pattern, each)) === true);
    return Object.keys(box.from).length > 0 && flows.some((flow) => matchesFrom(box, flow));
  };
  const flows = [...new Map(seen.map(({ flow, party }) => [party.key, flow])).values()];
  return boxes.flatMap((box, index) => (speaks(box) ? [index] : []));
}

function hasAddress({ to }: Box, address: Prefix): boolean {
  return to.prefixes?.some((each) => containsPrefix(each, address) || containsPrefix(address, each)) === true;
}
