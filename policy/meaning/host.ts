import { actionOf } from './mode.ts';
import type { Action, From, Policy } from './policy.ts';

/** A host as its fleet knows it. */
export interface HostIdentity {
  id: string;
  name: string;
  labels: Readonly<Record<string, string>>;
}

/**
 * By what rules name a host: its name, its id, and each label as `key=value`. A host that is called like a label has no
 * name.
 */
export function hostTexts({ id, labels, name }: HostIdentity): string[] {
  const own = isLabel(name) ? [id] : [name, id];
  return [...own, ...Object.entries(labels).map(([key, value]) => `${key}=${value}`)];
}

/** Whether a text of `host` is a label. */
export function isLabel(text: string): boolean {
  return text.includes('=');
}

/** Whether a rule for these hosts is for a host: where that is not known, a deny is and an allow is not. */
export function matchesHost(
  action: Action,
  listed: readonly string[],
  host: readonly string[] | undefined,
): boolean {
  if (host === undefined) return action === 'deny';
  return host.some((text) => listed.includes(text));
}

/** As `matchesHost`, for whom a rule or a mode names: where that is no host, it is for each. */
export function isForHost(
  action: Action,
  { host: listed }: Pick<From, 'host'>,
  host: readonly string[] | undefined,
): boolean {
  return listed === undefined || matchesHost(action, listed, host);
}

/**
 * The policy as it holds on one host: without the rules and mode entries for others, and the rest without `host`. On
 * a host that is not known (it has not joined a fleet) an allow or a mode `monitor` for named hosts goes, and a deny or a
 * mode `block` stays. A policy without `host` is returned as it is.
 */
export function forHost(policy: Policy, host: HostIdentity | undefined): Policy {
  if (!isForHosts(policy)) return policy;
  const texts = host && hostTexts(host);
  const boxes = policy.boxes.filter(({ action, from }) => isForHost(action, from, texts)).map(withoutHost);
  const { modes, ...rest } = policy;
  const left = modes?.filter((entry) => isForHost(actionOf(entry), entry.from, texts)).map(withoutHost);
  return { ...rest, boxes, ...(left && left.length > 0 && { modes: left }) };
}

/** Whether anything in a policy is for named hosts. */
export function isForHosts({ boxes, modes = [] }: Pick<Policy, 'boxes' | 'modes'>): boolean {
  return [...boxes, ...modes].some(({ from }) => from.host !== undefined);
}

function withoutHost<T extends { from: From }>(each: T): T {
  const { host: _host, ...from } = each.from;
  return { ...each, from };
}
