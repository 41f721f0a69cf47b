import { existsSync, realpathSync } from 'node:fs';
import type { JudgingPolicy } from '../../daemon/denial/generation-memory.ts';
import { cgroupRoot } from '../../host/cgroup-root.ts';
import { policyAt } from '../../policy/meaning/end.ts';
import { followLinks } from '../../policy/meaning/linked-path.ts';
import { accountsFor } from '../option/account-table.ts';
import { realPaths } from '../option/linked-path.ts';
import { checkConnections } from './connection.ts';
import type { Finding } from './finding.ts';
import { checkHistory } from './history.ts';
import { lookAtHost } from './host-state.ts';
import { Judge } from './judge.ts';
import { checkDhcp, checkLoopback } from './local.ts';
import { describeEnd, findingsText } from './preflight-text.ts';
import { checkResolvers } from './resolver.ts';
import { checkSession } from './session.ts';
import { checkMptcp, checkSockets, checkTunnels } from './way-round.ts';

/** What a pre-flight needs to know beside the policy. */
export interface PreflightOptions {
  /** The record to replay. */
  db: string;
  /** From when on, microseconds since the epoch; absent: see `ReplayOrder`. */
  since?: number;
  /** The directory of the cgroup that is to be watched alone. */
  cgroup?: string;
  /** Go on whatever is found. */
  force?: boolean;
}

/**
 * Looks at what a policy would do to this host if it blocked, says what is found, and whether to go on. Nothing is
 * attached or changed. Throws what is wrong with the record, unless that is forced.
 */
export async function preflight(
  read: JudgingPolicy,
  options: PreflightOptions,
  say: (text: string) => void,
): Promise<'go' | 'stop'> {
  const findings = await findAll(read, options);
  const force = options.force === true;
  say(`${findingsText(findings)}${describeEnd(findings, force)}`);
  return force || stopping(findings).length === 0 ? 'go' : 'stop';
}

/** All findings, those that are fine among them. */
export async function findAll(
  { hash, policy: written }: JudgingPolicy,
  options: PreflightOptions,
): Promise<Finding[]> {
  const { db, force = false, since } = options;
  const policy = policyAt(followLinks(written, realPaths).policy, Date.now() * 1000);
  const cgroup = watchedCgroup(options.cgroup);
  const within = cgroup === undefined ? {} : { cgroup };
  const order = { db, policy, hash, ...within, ...(since !== undefined && { since }) };
  const history = await checkHistory(order, force);
  const judge = new Judge(policy, await accountsFor(policy), cgroup);
  const host = await lookAtHost();
  return [
    history,
    checkResolvers(judge),
    checkSession(judge, host),
    checkLoopback(judge),
    checkDhcp(judge, host),
    checkTunnels(),
    checkMptcp(),
    checkSockets(judge, host),
    checkConnections(judge, host),
  ];
}

/** Those that are reasons not to block. */
export function stopping(findings: readonly Finding[]): Finding[] {
  return findings.filter(({ state }) => state === 'stop');
}

/** The path of a cgroup from the root of the hierarchy; undefined for all of it. */
export function watchedCgroup(directory: string | undefined): string | undefined {
  if (directory === undefined || !existsSync(directory)) return undefined;
  const root = realpathSync(cgroupRoot());
  const path = realpathSync(directory);
  return path.startsWith(`${root}/`) ? path.slice(root.length) : undefined;
}
