import { realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import { BouhekiError } from '../../error/error.ts';
import { formatCount } from '../../format/number.ts';
import {
  itemKey,
  parseDecisions,
  printDecision,
  printUndone,
  type Decision,
} from '../../generator/review/decision.ts';
import { joinForReview, prepareRecord, type ReviewItem } from '../../generator/review/review.ts';
import { ReviewSession } from '../../generator/review/review-session.ts';
import { appendTrusted } from '../../host/trusted-file.ts';
import { strayMarks } from '../../policy/file/edit.ts';
import { namesHosts } from '../../policy/meaning/known-name.ts';
import { followLinks } from '../../policy/meaning/linked-path.ts';
import type { Policy } from '../../policy/meaning/policy.ts';
import { openReader, type Reader } from '../../profiler/read/read.ts';
import type { SampleProcess } from '../../profiler/read/sample-sql.ts';
import { accountsFor } from '../option/account-table.ts';
import { realPaths } from '../option/linked-path.ts';
import { writeOutput } from '../option/output-file.ts';
import { parseText, readTrustedPolicyText } from '../option/policy-file.ts';
import { warnAtOnce } from '../option/policy-reader.ts';
import { askAll, askYes } from '../report/review-prompt.ts';
import { reviewJson, say, strayText, wideningText } from '../report/review-text.ts';
import { readTrustedText } from '../option/trusted-text.ts';

/** What `review` was asked for, as commander hands it over. */
export interface ReviewOptions {
  db: string;
  decisions?: string;
  json: boolean;
}

/** Asks about what is marked in a policy, or carries out decisions of a file. */
export async function review(file: string, options: ReviewOptions): Promise<void> {
  const asks = !options.json && options.decisions === undefined;
  if (file === '-') {
    throw new BouhekiError('usage', 'a policy on standard input cannot be changed in place', {
      remedy: 'Name its file.',
    });
  }
  if (asks && !process.stdin.isTTY) {
    throw new BouhekiError('usage', 'review cannot ask: standard input is no terminal', {
      remedy: 'Give the answers in a file with --decisions, or list what is to be reviewed with --json.',
    });
  }
  const text = readTrustedPolicyText(file);
  const written = parseText(text, file, warnAtOnce);
  const policy = follow(written);
  const { accounts, observations } = await withReader(options.db, async (reader) => ({
    accounts: await accountsFor(written, await reader.accounts()),
    observations: await reader.observations({ target: written.target, byNames: namesHosts(written) }),
  }));
  const session = new ReviewSession({
    text,
    policy,
    record: prepareRecord(namesHosts(policy) ? joinForReview(policy, observations, accounts) : observations, {
      accounts,
      follow,
    }),
  });
  const log = `${file}.decisions`;
  // What was decided in an earlier review holds here as well, also when the policy was generated anew; but
  // what allows more than was recorded does so only when a person has confirmed it again.
  const kept = readDecisions(log, true);
  const remembered = options.decisions === undefined ? kept : [];
  const harmless = remembered.filter(({ decision }) => decision !== 'widen');
  const again = harmless.length - session.decide(harmless).length;
  // By the file as it is now: decisions take marks away, but none of these.
  const stray = strayMarks(text);
  if (options.json) {
    process.stdout.write(reviewJson(file, session.open, stray));
    if (session.open.length + stray.length > 0) process.exitCode = 1;
    return;
  }
  const keeper = new PolicyKeeper(file, text);
  keeper.write(session.text);
  if (again > 0) say(`${formatCount(again, 'decision')} of ${log} carried out again.`);
  if (options.decisions === undefined) {
    await widenAgain(session, keeper, remembered, log);
    await interact(session, keeper, log, options.db);
  } else replay(session, keeper, options.decisions, log);
  const left = session.open.length;
  if (left > 0) say(`${formatCount(left, 'destination')} left to review.`);
  else if (stray.length === 0) say('Nothing is left to review.');
  if (stray.length > 0) say(...strayText(strayMarks(session.text)));
  if (left + stray.length > 0) process.exitCode = 1;
}

/** The policy with what its paths lead to on this host. */
function follow(policy: Policy): Policy {
  return followLinks(policy, realPaths).policy;
}

/** Asks about the earlier decisions that widen; without a yes what they are about is asked anew. */
async function widenAgain(
  session: ReviewSession,
  keeper: PolicyKeeper,
  remembered: readonly Decision[],
  log: string,
): Promise<void> {
  const open = new Set(session.open.map(itemKey));
  const widening = remembered.filter((each) => each.decision === 'widen' && open.has(itemKey(each)));
  if (widening.length === 0) return;
  say(
    `${log} has ${formatCount(widening.length, 'earlier decision')} to allow more than was recorded:`,
    ...wideningText(widening),
  );
  if (!(await askYes('Carry out again? (y)es (n)o, ask anew: '))) return;
  for (const decision of widening) {
    try {
      session.decide([decision]);
    } catch (error) {
      if (!(error instanceof BouhekiError)) throw error;
      say(`${error.message}. ${error.remedy}`);
    }
  }
  keeper.write(session.text);
}

async function interact(
  session: ReviewSession,
  keeper: PolicyKeeper,
  log: string,
  db: string,
): Promise<void> {
  await askAll({
    session,
    decided: (decisions) => {
      keeper.write(session.text);
      remember(log, decisions.map(printDecision));
    },
    undone: (decisions) => {
      keeper.write(session.text);
      remember(log, decisions.map(printUndone));
    },
    sample: ({ observations }) => sampleOf(db, observations),
  });
}

/** All decisions of a file, or none of them. */
function replay(session: ReviewSession, keeper: PolicyKeeper, file: string, log: string): void {
  const decisions = readDecisions(file, false);
  const unmatched = session.decide(decisions);
  if (unmatched.length > 0) {
    const names = unmatched.map(({ destination, rule }) => `  ${rule}: ${destination}`);
    throw new BouhekiError(
      'usage',
      `nothing to review fits ${formatCount(unmatched.length, 'decision')} of ${file}`,
      {
        remedy:
          'Remove or mend them; `bouheki review --json` lists what is to be reviewed. Nothing was changed.',
        detail: names.join('\n'),
      },
    );
  }
  keeper.write(session.text);
  if (resolve(file) !== resolve(log)) remember(log, decisions.map(printDecision));
  say(...wideningText(decisions), `${formatCount(decisions.length, 'decision')} carried out.`);
}

/** Writes the policy, unless another program has changed it since it was read. */
class PolicyKeeper {
  readonly #file: string;
  #text: string;

  constructor(file: string, text: string) {
    this.#file = realpathSync(file);
    this.#text = text;
  }

  write(text: string): void {
    if (text === this.#text) return;
    if (readTrustedPolicyText(this.#file) !== this.#text) {
      throw new BouhekiError('policy', `${this.#file} was changed by another program meanwhile`, {
        remedy: 'Start again: what was decided before is kept.',
      });
    }
    writeOutput(this.#file, text);
    this.#text = text;
  }
}

/** Adds lines to the file of decisions. */
function remember(log: string, lines: readonly string[]): void {
  if (lines.length === 0) return;
  try {
    appendTrusted(log, lines.join(''));
  } catch (error) {
    if (error instanceof BouhekiError) throw error;
    throw new BouhekiError('usage', `cannot write ${log}, where decisions are kept`, {
      remedy: 'Make its directory writable.',
      detail: (error as Error).message,
      cause: error,
    });
  }
}

function readDecisions(file: string, mayBeAbsent: boolean): Decision[] {
  let text: string;
  try {
    text = readTrustedText(file);
  } catch (error) {
    if (error instanceof BouhekiError) throw error;
    if (mayBeAbsent && (error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new BouhekiError('usage', `cannot read the decisions in ${file}`, {
      remedy: 'Name a file that you may read.',
      detail: (error as Error).message,
      cause: error,
    });
  }
  return parseDecisions(text, file);
}

async function sampleOf(
  db: string,
  observations: ReviewItem['observations'],
): Promise<SampleProcess | undefined> {
  const [observation] = observations;
  return observation && (await withReader(db, (reader) => reader.sample(observation)));
}

async function withReader<T>(db: string, work: (reader: Reader) => Promise<T>): Promise<T> {
  const reader = await openReader(db);
  try {
    return await work(reader);
  } finally {
    reader.close();
  }
}
