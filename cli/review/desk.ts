import { createHash } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { BouhekiError } from '../../error/error.ts';
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
import type { AccountTable, Policy } from '../../policy/meaning/policy.ts';
import { openReader, type Reader, type RecordedObservation } from '../../profiler/read/read.ts';
import type { SampleProcess } from '../../profiler/read/sample-sql.ts';
import { accountsFor } from '../option/account-table.ts';
import { appendDecisions, readDecisionText } from '../option/decision-file.ts';
import { realPaths } from '../option/linked-path.ts';
import { writeOutput } from '../option/output-file.ts';
import { parseText, readTrustedPolicyText } from '../option/policy-file.ts';
import { warnAtOnce } from '../option/policy-reader.ts';
import { endedText, say } from '../report/review-text.ts';
import type { Desk } from './course.ts';

/** A review that has begun, with what earlier ones left. */
export interface Begun {
  desk: ReviewDesk;
  /** How many of their decisions were carried out again, and what those changed, which is to be kept. */
  again: { count: number; changes: string[] };
  remembered: readonly Decision[];
  /** Marks of the file that no question is about. */
  stray: ReturnType<typeof strayMarks>;
}

/**
 * Begins the review of a policy file by what was recorded. Nothing is written yet. With `remember` the decisions of
 * earlier reviews hold again, but for those that widen. Throws BouhekiError for a policy, decisions or a record that
 * cannot be read.
 */
export async function beginReview(file: string, db: string, remember = true): Promise<Begun> {
  const text = readTrustedPolicyText(file);
  const start = await prepareSession(file, text, db);
  const session = start(text);
  const log = `${file}.decisions`;
  // What was decided in an earlier review holds here as well, also when the policy was generated anew; but
  // what allows more than was recorded does so only when a person has confirmed it again.
  const kept = parseDecisions(readDecisionText(log, true), log);
  const remembered = remember ? kept : [];
  const again = carryOutAgain(session, remembered);
  return {
    desk: new ReviewDesk({ file, log, text, session, start, db }),
    again,
    remembered,
    // By the file as it is now: decisions take marks away, but none of these.
    stray: strayMarks(text),
  };
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
  const { accounts, observations } = await recordedFor(text, written, db);
  return (text) => {
    const policy = follow(parseText(text, file, () => {}));
    const joined = namesHosts(policy) ? joinForReview(policy, observations, accounts) : observations;
    return new ReviewSession({ text, policy, record: prepareRecord(joined, { accounts, follow }) });
  };
}

/** What a policy is reviewed by. What this host recorded says nothing of one that was made of a fleet's evidence. */
async function recordedFor(
  text: string,
  written: Policy,
  db: string,
): Promise<{ accounts: AccountTable; observations: RecordedObservation[] }> {
  if (isOfFleet(text)) return { accounts: await accountsFor(written), observations: [] };
  return withReader(db, async (reader) => ({
    accounts: await accountsFor(written, await reader.accounts()),
    observations: await reader.observations({ target: written.target, byNames: namesHosts(written) }),
  }));
}

/** Whether a policy was generated from the evidence of a fleet. */
function isOfFleet(text: string): boolean {
  return /^# Fleet: /m.test(text);
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

/** A policy file under review, with its file of decisions. */
export class ReviewDesk implements Desk {
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

  /** The earlier decisions that allow more than was recorded, and that are still asked about. */
  wideningOf(remembered: readonly Decision[]): Decision[] {
    const open = new Set(this.session.open.map(itemKey));
    return remembered.filter((each) => each.decision === 'widen' && open.has(itemKey(each)));
  }

  /** Carries them out again. Returns why some cannot be. */
  widenAgain(widening: readonly Decision[]): BouhekiError[] {
    const refused: BouhekiError[] = [];
    for (const decision of widening) {
      try {
        this.session.decide([decision]);
      } catch (error) {
        if (!(error instanceof BouhekiError)) throw error;
        refused.push(error);
        continue;
      }
      this.decided([decision]);
    }
    return refused;
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
