import { Command } from 'commander';
import { databaseOption } from './option/record-option.ts';
import type { ReviewOptions } from './review/review.ts';

const HELP = `
Examples:
  $ bouheki review policy.yaml
  $ bouheki review policy.yaml --json
  $ bouheki review policy.yaml --decisions decisions.jsonl
  $ bouheki review policy.yaml --undo

Asks about each destination that a rule is marked for with "review:", and about what \`generate --base\` added. Each
answer changes the policy in place, and nothing but the entry that it is about: comments, order and edits stay.
Answers are kept in POLICY.decisions, so that the next review continues with the rest. "undo", or --undo without
asking, takes the last one back, in turn also those of earlier reviews, unless the policy was changed since.
What can do most harm is asked first. To widen settles what the prefix covers as well, on that port. Earlier answers
that widen the policy are shown, and carried out again only after a yes. --decisions takes the answers from a file and
asks nothing. All these files must belong to root or to you, and no other user may be able to write them. \`generate
--base\` does not offer again what was denied or ignored.
Exit status: 0 nothing is left, 1 something is left, 2 trouble.`;

/** `bouheki review POLICY`: settles what the generator marked. */
export function reviewCommand(): Command {
  return new Command('review')
    .argument('<policy>', 'the policy file, which is changed in place')
    .addOption(databaseOption())
    .option('--decisions <file>', 'ask nothing: carry out the decisions of this file')
    .option('--undo', 'ask nothing: take the last answer back', false)
    .option('--json', 'ask nothing: print what is to be reviewed as JSON', false)
    .addHelpText('after', HELP)
    .action(async (file: string, options: ReviewOptions) => {
      const { review } = await import('./review/review.ts');
      await review(file, options);
    });
}
