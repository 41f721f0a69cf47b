import { createHash } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import { BouhekiError } from '../../error/error.ts';
import { formatCount } from '../../format/number.ts';
import {
  changeBetween,
  lastChange,
  printChange,
  textBefore,
  type Change,
} from '../../generator/review/change.ts';
import {
  itemKey,
  parseDecisions,
  printDecision,
  printUndone,
  type Decided,
  type Decision,
} from '../../generator/review/decision.ts';
import { joinForReview, prepareRecord, type ReviewItem } from '../../generator/review/review.ts';
import { ReviewSession } from '../../generator/review/review-session.ts';
import { strayMarks } from '../../policy/file/edit/edit.ts';
import { namesHosts } from '../../policy/meaning/known-name.ts';
import { followLinks } from '../../policy/meaning/linked-path.ts';
import type { Policy } from '../../policy/meaning/policy.ts';
import { openReader, type Reader } from '../../profiler/read/read.ts';
import type { SampleProcess } from '../../profiler/read/sample-sql.ts';
import { accountsFor } from '../option/account-table.ts';
import { appendDecisions, readDecisionText } from '../option/decision-file.ts';
import { realPaths } from '../option/linked-path.ts';
import { writeOutput } from '../option/output-file.ts';
import { parseText, readTrustedPolicyText } from '../option/policy-file.ts';
import { warnAtOnce } from '../option/policy-reader.ts';
import { askAll, askYes, type Desk } from '../report/review-prompt.ts';
import { endedText, reviewJson, say, strayText, undoneText, wideningText } from '../report/review-text.ts';

/** What `review` was asked for, as commander hands it over. */
export interface ReviewOptions {
  db: string;
  decisions?: string;
  json: boolean;
  undo: boolean;
}

/** Asks about what is marked in a policy, or carries out decisions of a file, or takes the last ones back. */
export async function review(file: string, options: ReviewOptions): Promise<void> {
  assertUsage(file, options);
  const text = readTrustedPolicyText(file);
  const start = await prepareSession(file, text, options.db);
  const session = start(text);
  const log = `${file}.decisions`;
  // What was decided in an earlier review holds here as well, also when the policy was generated anew; but
  // what allows more than was recorded does so only when a person has confirmed it again.
  const kept = parseDecisions(readDecisionText(log, true), log);
  const remembered = options.decisions === undefined && !options.undo ? kept : [];
  const again = carryOutAgain(session, remembered);
  // By the file as it is now: decisions take marks away, but none of these.
  const stray = strayMarks(text);
  if (options.json) {
    process.stdout.write(reviewJson(file, session.open, stray));
    if (session.open.length + stray.length > 0) process.exitCode = 1;
    return;
  }
  const desk = new ReviewDesk({ file, log, text, session, start, db: options.db });
  desk.keep(again.changes);
  if (again.count > 0) say(`${formatCount(again.count, 'decision')} of ${log} carried out again.`);
  if (options.undo) undoLast(desk);
  else if (options.decisions !== undefined) replay(desk, options.decisions);
  else {
    await widenAgain(desk, remembered);
    await askAll(desk);
  }
  const left = desk.session.open.length;
  if (left > 0) say(`${formatCount(left, 'destination')} left to review.`);
  else if (stray.length === 0) say('Nothing is left to review.');
  if (stray.length > 0) say(...strayText(strayMarks(desk.session.text)));
  if (left + stray.length > 0) process.exitCode = 1;
}

function assertUsage(file: string, { decisions, json, undo }: ReviewOptions): void {
  if (file === '-') {
    throw new BouhekiError('usage', 'a policy on standard input cannot be changed in place', {
      remedy: 'Name its file.',
    });
  }
  if (undo && (json || decisions !== undefined)) {
    throw new BouhekiError(
      'usage',
      `--undo takes an answer back, and ${json ? '--json' : '--decisions'} does another thing`,
      {
        remedy: 'Give one of them.',
      },
    );
  }
  if (!json && !undo && decisions === undefined && !process.stdin.isTTY) {
    throw new BouhekiError('usage', 'review cannot ask: standard input is no terminal', {
      remedy: 'Give the answers in a file with --decisions, or list what is to be reviewed with --json.',
    });
  }
}

/** What begins the review of a text of the policy, by what was recorded. */
async function prepareSession(
  file: string,
  text: string,
  db: string,
): Promise<(text: string) => ReviewSession> {
  const written = parseText(text, file, warnAtOnce);
  const ended = endedText(written, Date.now() * 1000);
  if (ended.length > 0) say(...ended);
  const { accounts, observations } = await withReader(db, async (reader) => ({
    accounts: await accountsFor(written, await reader.accounts()),
    observations: await reader.observations({ target: written.target, byNames: namesHosts(written) }),
  }));
  return (text) => {
    const policy = follow(parseText(text, file, () => {}));
    const joined = namesHosts(policy) ? joinForReview(policy, observations, accounts) : observations;
    return new ReviewSession({ text, policy, record: prepareRecord(joined, { accounts, follow }) });
  };
}

/** The policy with what its paths lead to on this host. */
function follow(policy: Policy): Policy {
  return followLinks(policy, realPaths).policy;
}

/** Carries out what widens nothing. Returns how many decisions fitted, and what they changed as lines of the file. */
function carryOutAgain(
  session: ReviewSession,
  remembered: readonly Decision[],
): { count: number; changes: string[] } {
  const changes: string[] = [];
  let count = 0;
  for (const decision of remembered.filter((each) => each.decision !== 'widen')) {
    const before = session.text;
    // One by one, so that each can be taken back by itself.
    if (session.decide([decision]).length > 0) continue;
    count++;
    if (session.text !== before) changes.push(changeLine(before, session.text, [decision]));
  }
  return { count, changes };
}

/** Asks about the earlier decisions that widen; without a yes what they are about is asked anew. */
async function widenAgain(desk: ReviewDesk, remembered: readonly Decision[]): Promise<void> {
  const open = new Set(desk.session.open.map(itemKey));
  const widening = remembered.filter((each) => each.decision === 'widen' && open.has(itemKey(each)));
  if (widening.length === 0) return;
  say(
    `${desk.log} has ${formatCount(widening.length, 'earlier decision')} to allow more than was recorded:`,
    ...wideningText(widening),
  );
  if (!(await askYes('Carry out again? (y)es (n)o, ask anew: '))) return;
  for (const decision of widening) {
    try {
      desk.session.decide([decision]);
    } catch (error) {
      if (!(error instanceof BouhekiError)) throw error;
      say(`${error.message}. ${error.remedy}`);
      continue;
    }
    desk.decided([decision]);
  }
}

/** All decisions of a file, or none of them. */
function replay(desk: ReviewDesk, file: string): void {
  const decisions = parseDecisions(readDecisionText(file, false), file);
  const unmatched = desk.session.decide(decisions);
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
  desk.decided(decisions, { written: resolve(file) === resolve(desk.log) });
  say(...wideningText(decisions), `${formatCount(decisions.length, 'decision')} carried out.`);
}

function undoLast(desk: ReviewDesk): void {
  const undone = desk.undoEarlier();
  if (undone === undefined) {
    throw new BouhekiError('usage', `the last answer in ${desk.log} cannot be taken back`, {
      remedy:
        'There is none, or the policy was changed since. Edit the policy, and remove the line of the decision from that file.',
    });
  }
  say(...undoneText(undone));
}

/** A policy file under review, with its file of decisions. */
class ReviewDesk implements Desk {
  session: ReviewSession;
  readonly log: string;
  readonly #file: string;
  readonly #db: string;
  readonly #start: (text: string) => ReviewSession;
  /** What the file holds. */
  #text: string;

  constructor(begun: {
    file: string;
    log: string;
    text: string;
    db: string;
    session: ReviewSession;
    start: (text: string) => ReviewSession;
  }) {
    this.session = begun.session;
    this.log = begun.log;
    this.#file = realpathSync(begun.file);
    this.#db = begun.db;
    this.#start = begun.start;
    this.#text = begun.text;
  }

  /** Writes the policy, and these lines to the file of decisions. */
  keep(lines: readonly string[]): void {
    this.#write(this.session.text);
    appendDecisions(this.log, lines);
  }

  decided(decisions: readonly Decision[], { written = false } = {}): void {
    const change = changeLine(this.#text, this.session.text, decisions);
    this.keep([...(written ? [] : decisions.map(printDecision)), change]);
  }

  undone(decisions: readonly Decided[]): void {
    this.keep(decisions.map(printUndone));
  }

  undoEarlier(): readonly Decided[] | undefined {
    const log = readDecisionText(this.log, true);
    const decisions = parseDecisions(log, this.log);
    const last = beforeLast(log, this.session.text);
    if (last === undefined) return undefined;
    const undone = new Set(last.of.map(itemKey));
    this.session = this.#start(last.before);
    carryOutAgain(
      this.session,
      decisions.filter((each) => !undone.has(itemKey(each))),
    );
    this.undone(last.of);
    return last.of;
  }

  async sample({ observations: [observation] }: ReviewItem): Promise<SampleProcess | undefined> {
    return observation && (await withReader(this.#db, (reader) => reader.sample(observation)));
  }

  /** Unless another program has changed it since it was read. */
  #write(text: string): void {
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

/** How decisions changed the text of a policy, as a line of a file of decisions. */
function changeLine(before: string, after: string, of: readonly Decided[]): string {
  return printChange(changeBetween(before, after, { of, digest: digestOf(after) }));
}

/** What the text of a policy was before the last decisions of a file; undefined where something else changed it since. */
function beforeLast(decisions: string, text: string): { of: Change['of']; before: string } | undefined {
  const change = lastChange(decisions);
  if (change?.digest !== digestOf(text)) return undefined;
  return { of: change.of, before: textBefore(change, text) };
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

async function withReader<T>(db: string, work: (reader: Reader) => Promise<T>): Promise<T> {
  const reader = await openReader(db);
  try {
    return await work(reader);
  } finally {
    reader.close();
  }
}
