import { Option } from 'commander';
import { readHostFile } from '../../fleet/self/host-file.ts';
import { hostTexts, isForHost, isForHosts } from '../../policy/meaning/host.ts';
import type { Policy } from '../../policy/meaning/policy.ts';

/** By what rules name a host of a fleet: see `hostTexts`. Undefined: that is not known. */
export type HostTexts = readonly string[] | undefined;

/** `--host NAME`, repeatable: whose record it is, where that is not this host. */
export function hostOption(what = 'the host of a fleet that the record is of'): Option {
  return new Option(
    '--host <name>',
    `${what}: its name or id, and its labels (role=web); repeatable; by default this host`,
  ).argParser((text: string, all: string[] = []) => [...all, text]);
}

/** The host that a policy is judged for: the one that is named, or this one as its fleet calls it, as for `enforce`. */
export function judgedHost(named: readonly string[] | undefined): HostTexts {
  if (named !== undefined) return named;
  const own = readHostFile();
  return own && hostTexts(own);
}

/** What is said where a policy has rules for named hosts, and it is not known which this is. */
export function describeUnknownHost(policy: Policy, host: HostTexts): string {
  if (host !== undefined || !isForHosts(policy)) return '';
  return (
    'It is not known which host of a fleet this is: rules that allow named hosts something are left out, ' +
    'and those that deny hold.\n'
  );
}

/** Observations as a policy with rules for named hosts judges them on one host. */
export function onHost<T extends object>(policy: Policy, observations: T[], host: HostTexts): T[] {
  // A record may have a million of them, and nearly no policy names hosts.
  if (host === undefined || !isForHosts(policy)) return observations;
  return observations.map((each) => Object.assign({}, each, { on: host }));
}

/** Names of rules that are for other hosts alone: that nothing here uses them says nothing. */
export function rulesElsewhere({ boxes }: Policy, host: HostTexts): ReadonlySet<string> {
  const here = new Set(
    boxes.filter(({ action, from }) => isForHost(action, from, host)).map(({ name }) => name),
  );
  return new Set(boxes.map(({ name }) => name).filter((name) => !here.has(name)));
}
