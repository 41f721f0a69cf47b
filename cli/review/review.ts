import { resolve } from 'node:path';
import { BouhekiError } from '../../error/error.ts';
import { formatCount } from '../../format/number.ts';
import { parseDecisions, type Decision } from '../../generator/review/decision.ts';
import { strayMarks } from '../../policy/file/edit/edit.ts';
import { readDecisionText } from '../option/decision-file.ts';
import { reviewJson, say, strayText, undoneText, wideningText } from '../report/review-text.ts';
import { beginReview, type ReviewDesk } from './desk.ts';
import { askAll, askYes } from './prompt.ts';

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
  const remember = options.decisions === undefined && !options.undo;
  const { again, desk, remembered, stray } = await beginReview(file, options.db, remember);
  if (options.json) {
    process.stdout.write(reviewJson(file, desk.session.open, stray));
    if (desk.session.open.length + stray.length > 0) process.exitCode = 1;
    return;
  }
  desk.keep(again.changes);
  if (again.count > 0) say(`${formatCount(again.count, 'decision')} of ${desk.log} carried out again.`);
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

/** Asks about the earlier decisions that widen; without a yes what they are about is asked anew. */
async function widenAgain(desk: ReviewDesk, remembered: readonly Decision[]): Promise<void> {
  const widening = desk.wideningOf(remembered);
  if (widening.length === 0) return;
  say(
    `${desk.log} has ${formatCount(widening.length, 'earlier decision')} to allow more than was recorded:`,
    ...wideningText(widening),
  );
  if (!(await askYes('Carry out again? (y)es (n)o, ask anew: '))) return;
  for (const { message, remedy } of desk.widenAgain(widening)) say(`${message}. ${remedy}`);
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
