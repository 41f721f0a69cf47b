import { Command } from 'commander';
import { printJsonSchema } from '../policy/file/schema-json.ts';

const HELP = `
Examples:
  $ bouheki schema > policy.schema.json

With this as the first line of a policy, editors that know it check while you type:
  # yaml-language-server: $schema=./policy.schema.json`;

/** `bouheki schema`: the JSON Schema of policy files. */
export function schemaCommand(): Command {
  return new Command('schema')
    .description('Print the JSON Schema (draft-07) of policy files')
    .addHelpText('after', HELP)
    .action(() => {
      process.stdout.write(printJsonSchema());
    });
}
