import { Command } from 'commander';
import { SCHEMA_COMMENT } from '../policy/file/document.ts';

const HELP = `
Examples:
  $ bouheki schema > policy.schema.json
  $ bouheki schema --markdown > policy.md

With this as the first line of a policy, editors that know it check while you type:
  # ${SCHEMA_COMMENT}

Policies that \`bouheki generate\` writes begin with it.`;

/** `bouheki schema`: the JSON Schema of policy files. */
export function schemaCommand(): Command {
  return new Command('schema')
    .option('--markdown', 'print a reference for people instead: every key with its description', false)
    .addHelpText('after', HELP)
    .action(async ({ markdown }: { markdown: boolean }) => {
      const print = markdown
        ? (await import('../policy/analysis/reference.ts')).printReference
        : (await import('../policy/file/schema-json.ts')).printJsonSchema;
      process.stdout.write(print());
    });
}
