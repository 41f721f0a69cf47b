import { eventsOf } from '../../generator/drift/entry.ts';
import {
  differenceOf,
  type PolicyDifference,
  type Simulation,
  simulate,
} from '../../generator/drift/simulate.ts';
import { lackLine } from '../../generator/header.ts';
import { isJudged } from '../../policy/meaning/evaluate.ts';
import { endsOf } from '../../policy/meaning/end.ts';
import { namesHosts } from '../../policy/meaning/known-name.ts';
import { isForHosts } from '../../policy/meaning/host.ts';
import { followLinks } from '../../policy/meaning/linked-path.ts';
import type { Policy } from '../../policy/meaning/policy.ts';
import { isEventLoss, openReader } from '../../profiler/read/read.ts';
import { accountsFor } from '../option/account-table.ts';
import { describeUnknownHost, judgedHost, onHost } from '../option/fleet-host.ts';
import { describeLinks, realPaths } from '../option/linked-path.ts';
import { readPolicy } from '../option/policy-reader.ts';
import { type RecordOptions, windowOf } from '../option/record-option.ts';
import { jsonDocument } from '../terminal/json-document.ts';
import { viewOf } from '../terminal/view.ts';
import { simulationText } from './text.ts';

/** What `simulate` was asked for, as commander hands it over. */
export interface SimulateOptions extends RecordOptions {
  against?: string;
  /** The host of a fleet that the record is of; absent: this one. */
  host?: string[];
  json: boolean;
  /** Subjects of each list, 0 for all. */
  limit: number;
}

/** What was found, and on what. */
export interface SimulationReport extends Simulation {
  candidate: string;
  against?: { policy: string } & PolicyDifference;
}

/** Prints what a policy would have done to what was recorded. */
export async function runSimulate(file: string, options: SimulateOptions): Promise<void> {
  const { links, policy } = followLinks(await readPolicy(file), realPaths);
  const before = options.against === undefined ? undefined : await readFollowed(options.against);
  const reader = await openReader(options.db);
  try {
    const window = windowOf(options);
    const byNames = namesHosts(policy) || (before !== undefined && namesHosts(before));
    const ends = [policy, before ?? policy].flatMap(endsOf);
    const host = judgedHost(options.host);
    const all = await reader.observations({ ...window, byNames, ends });
    const recorded = onHost([policy, before ?? policy].find(isForHosts) ?? policy, all, host);
    const observations = recorded.filter(({ subject }) => isJudged(policy, subject));
    const accounts = await reader.accounts();
    const naming = { accounts, called: await accountsFor(policy, accounts) };
    const found = simulate(policy, observations, naming);
    const report: SimulationReport = {
      candidate: file,
      ...found,
      ...(before && {
        against: { policy: options.against!, ...differenceOf(before, policy, recorded, naming) },
      }),
    };
    const text = options.json
      ? jsonDocument('simulate', report)
      : simulationText(report, options.limit, viewOf(process.stdout));
    // First: the reader of the output may have had enough of it.
    if (eventsOf(found.blocked) > 0) process.exitCode = 1;
    process.stdout.write(text);
    const losses = (await reader.losses(window)).filter(isEventLoss);
    const unknown = describeUnknownHost(policy, host);
    process.stderr.write(`${describeLinks(links)}${unknown}${lackLine(losses)}`);
  } finally {
    reader.close();
  }
}

async function readFollowed(file: string): Promise<Policy> {
  return followLinks(await readPolicy(file), realPaths).policy;
}
