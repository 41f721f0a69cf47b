import { Command, Option } from 'commander';
import { atLeastOption, unusedAfterOption } from '../option/duration.ts';
import { databaseOption, sinceOption, untilOption } from '../option/record-option.ts';
import type { ReportOptions } from '../page/report.ts';

const HELP = `
Examples:
  $ bouheki report -o report.html
  $ bouheki report policy.yaml -o report.html --since 7d

One HTML file about the record: facts and losses, who talks to what, when, and how well each subject is known. With a
policy also its rules beside what was recorded of each, what they allow beyond that, what waits for a review, and the
drift. The file asks for nothing else, can be read with scripts off, and may be sent by mail.
The table of connections has the 1,000 rows of most connections; \`bouheki export\` has all.
Exit status: 0 written, 2 trouble.`;

/** `bouheki report [POLICY]`: a page about the record, and a policy. */
export function reportCommand(): Command {
  return new Command('report')
    .argument('[policy]', 'the policy file')
    .addOption(
      new Option('-o, --output <file>', 'where to write the page; - is standard output').default('-'),
    )
    .addOption(databaseOption())
    .addOption(sinceOption())
    .addOption(untilOption())
    .addOption(atLeastOption())
    .addOption(unusedAfterOption())
    .addHelpText('after', HELP)
    .action(async (file: string | undefined, options: ReportOptions) => {
      const { report } = await import('../page/report.ts');
      await report(file, options);
    });
}
