import { discoveryOf } from '../../generator/discovery.ts';
import { joinForReview, prepareRecord, type ReviewItem } from '../../generator/review/review.ts';
import { ReviewSession } from '../../generator/review/review-session.ts';
import { worstFirst } from '../../generator/drift/finding/finding.ts';
import type { Parsed } from '../../policy/file/parse.ts';
import { namesHosts } from '../../policy/meaning/known-name.ts';
import { followLinks } from '../../policy/meaning/linked-path.ts';
import type { Policy } from '../../policy/meaning/policy.ts';
import { openReader, type RecordedObservation, type Reader } from '../../profiler/read/read.ts';
import { gapsOf } from '../../profiler/read/stretch.ts';
import { evidenceIn } from '../drift/evidence.ts';
import { identify } from '../drift/format/identify.ts';
import { judge } from '../drift/assess.ts';
import { accountsFor } from '../option/account-table.ts';
import { realPaths } from '../option/linked-path.ts';
import { parseText, parseWithPlaces, readPolicyText, type Warn } from '../option/policy-file.ts';
import { type RecordOptions, windowOf } from '../option/record-option.ts';
import { packageVersion } from '../report/version.ts';
import { flowsOf } from './flow.ts';
import type { PageData, PagePolicy } from './html/page-data.ts';
import { rulesOf } from './rule.ts';
import { readTimeline } from './timeline.ts';

/** What a page is about. */
export interface PageOptions extends RecordOptions {
  /** Seconds. */
  atLeast: number;
  unusedAfter: number;
}

/** All that a page shows of the record, and of a policy beside it. */
export async function readPage(
  file: string | undefined,
  options: PageOptions,
  warn: Warn,
): Promise<PageData> {
  const text = file === undefined ? undefined : readPolicyText(file);
  const parsed = text === undefined ? undefined : parseWithPlaces(text, file!, warn);
  const reader = await openReader(options.db);
  try {
    const policy = parsed && follow(parsed.policy);
    const observations = await reader.observations({
      ...windowOf(options),
      byNames: policy !== undefined && namesHosts(policy),
    });
    const data = await readRecord(reader, { observations, options, policy });
    if (parsed === undefined) return { ...data, policy: undefined };
    const beside = { file: file!, text: text!, parsed, policy: policy!, observations, options, warn };
    return { ...data, policy: await readPolicy(reader, beside) };
  } finally {
    reader.close();
  }
}

interface Read {
  observations: readonly RecordedObservation[];
  options: PageOptions;
}

async function readRecord(
  reader: Reader,
  { observations, options, policy }: Read & { policy: Policy | undefined },
): Promise<Omit<PageData, 'policy'>> {
  const window = windowOf(options);
  const accounts = await reader.accounts();
  const recordings = await reader.recordings(window);
  const [first, last] = observations.reduce(
    ([least, most], each) => [Math.min(least, each.first), Math.max(most, each.last)],
    [Number.POSITIVE_INFINITY, 0],
  );
  const { first: _first, last: _last, ...extent } = await reader.extent();
  return {
    db: options.db,
    version: packageVersion(),
    madeAt: Date.now() * 1000,
    extent: { ...extent, ...(observations.length > 0 && { first, last }) },
    recordings,
    gaps: gapsOf(recordings),
    losses: await reader.losses(window),
    readiness: discoveryOf(observations, accounts, options.atLeast),
    flows: flowsOf(observations, accounts, policy),
    timeline: observations.length === 0 ? undefined : await readTimeline(reader, first, last),
  };
}

/** The policy as the file has it and with what its paths lead to, beside the record. */
interface Beside extends Read {
  file: string;
  text: string;
  parsed: Required<Parsed>;
  policy: Policy;
  warn: Warn;
}

async function readPolicy(reader: Reader, beside: Beside): Promise<PagePolicy> {
  const { file, observations, options, parsed, policy, text, warn } = beside;
  const { unusedAfter } = options;
  const evidence = await evidenceIn(reader, policy, { ...options, intents: false });
  const { found } = await judge(policy, evidence, { since: options.since, unusedAfter, warn });
  const accounts = await accountsFor(parsed.policy, evidence.accounts);
  return {
    file,
    mode: policy.mode,
    modes: policy.modes?.length ?? 0,
    rules: rulesOf({ text, parsed, policy, observations, accounts, marks: marksOf(beside, accounts) }),
    findings: worstFirst(identify(found)) as PagePolicy['findings'],
  };
}

/** What `review` would ask about. */
function marksOf(
  { file, observations, policy, text }: Beside,
  accounts: Awaited<ReturnType<typeof accountsFor>>,
): readonly ReviewItem[] {
  const joined = namesHosts(policy) ? joinForReview(policy, observations, accounts) : observations;
  const read = follow(parseText(text, file, () => {}));
  return new ReviewSession({ text, policy: read, record: prepareRecord(joined, { accounts, follow }) }).open;
}

function follow(policy: Policy): Policy {
  return followLinks(policy, realPaths).policy;
}
