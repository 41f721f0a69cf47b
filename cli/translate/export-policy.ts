import { visible } from '../../error/visible.ts';
import { MOST_RULES } from '../../policy/export/aws.ts';
import { forUnit } from '../../policy/export/systemd.ts';
import { exportPolicy, type TargetName } from '../../policy/export/target.ts';
import { describeNote } from '../../policy/export/words.ts';
import { BouhekiError } from '../../error/error.ts';
import { writeOutput } from '../option/output-file.ts';
import { readPolicy } from '../option/policy-reader.ts';
import { withinRules } from './fit.ts';

/** What `export-policy` was asked for, as commander hands it over. */
export interface ExportPolicyOptions {
  to: TargetName;
  unit?: string;
  maxRules?: number;
  strict: boolean;
  output: string;
}

/** Writes a policy for another enforcer. */
export async function translate(file: string, options: ExportPolicyOptions): Promise<void> {
  const { maxRules = MOST_RULES.securityGroup, output, strict, to, unit } = options;
  refuseStray(options);
  const policy = await readPolicy(file);
  const { notes, text } = exportPolicy(unit === undefined ? policy : forUnit(policy, unit), to, (rules) =>
    to.endsWith('security-group') ? withinRules(rules, maxRules) : rules,
  );
  process.stderr.write(notes.map((note) => `${visible(describeNote(note))}\n`).join(''));
  if (strict && notes.some(({ effect }) => effect !== 'other')) {
    process.stderr.write('Nothing is written: it would not do what the policy does.\n');
    process.exitCode = 1;
    return;
  }
  writeOutput(output, text);
}

function refuseStray({ maxRules, to, unit }: ExportPolicyOptions): void {
  const stray =
    unit !== undefined && to !== 'systemd'
      ? '--unit'
      : maxRules !== undefined && !to.endsWith('security-group')
        ? '--max-rules'
        : undefined;
  if (stray === undefined) return;
  throw new BouhekiError('usage', `${stray} does not go with --to ${to}`, {
    remedy: `Leave it out: ${stray} is for ${stray === '--unit' ? 'systemd' : 'security groups'}.`,
  });
}
