import * as z from 'zod';
import { version1, version2 } from './schema.ts';

/** The JSON Schema (draft-07) of a policy file, for editors and other tools. */
export function policyJsonSchema(): object {
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'bouheki policy',
    description: 'What a host or its containers may connect to. Without version: 2 the file is of version 1.',
    type: 'object',
    if: { properties: { version: { const: 2 } }, required: ['version'] },
    // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema
    then: withoutDialect(version2),
    else: withoutDialect(version1),
  };
}

/** The dialect is named once, at the top. */
function withoutDialect(schema: z.ZodType): object {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { target: 'draft-7', io: 'input' });
  return rest;
}

/** The text of the committed `policy.schema.json`. */
export function printJsonSchema(): string {
  return `${JSON.stringify(policyJsonSchema(), null, 2)}\n`;
}
