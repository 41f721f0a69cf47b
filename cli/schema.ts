import { Command, Option } from 'commander';
import { SCHEMA_COMMENT } from '../policy/file/document.ts';

const HELP = `
Examples:
  $ bouheki schema > policy.schema.json
  $ bouheki schema --markdown > policy.md
  $ bouheki schema --drift > drift.schema.json

With this as the first line of a policy, editors that know it check while you type:
  # ${SCHEMA_COMMENT}

Policies that \`bouheki generate\` writes begin with it.`;

interface SchemaOptions {
  markdown: boolean;
  drift: boolean;
}

/** `bouheki schema`: the JSON Schema of policy files, or of drift reports. */
export function schemaCommand(): Command {
  return new Command('schema')
    .option('--markdown', 'print a reference for people instead: every key with its description', false)
    .addOption(
      new Option('--drift', 'print the schema of what `drift` prints as JSON and NDJSON instead')
        .default(false)
        .conflicts('markdown'),
    )
    .addHelpText('after', HELP)
    .action(async (options: SchemaOptions) => {
      const print = await printerOf(options);
      process.stdout.write(print());
    });
}

async function printerOf({ drift, markdown }: SchemaOptions): Promise<() => string> {
  if (drift) return (await import('./drift/format/json-schema.ts')).printDriftSchema;
  if (markdown) return (await import('../policy/analysis/reference.ts')).printReference;
  return (await import('../policy/file/schema-json.ts')).printJsonSchema;
}
