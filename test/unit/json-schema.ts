import assert from 'node:assert/strict';
import { createRequire } from 'node:module';

/** What these packages are to tests: they are CommonJS. */
interface Validator {
  compile(schema: object): ((document: unknown) => boolean) & { errors?: { instancePath: string }[] | null };
}
type MakeValidator = new (options: object) => Validator;

const require = createRequire(import.meta.url);

/** A validator of a draft of JSON Schema, formats of texts included. */
function validatorOf(draft: 'ajv' | 'ajv-draft-04', options: object): Validator {
  const { default: Ajv } = require(draft) as { default: MakeValidator };
  const validator = new Ajv({ allErrors: true, ...options });
  (require('ajv-formats') as { default: (ajv: Validator) => void }).default(validator);
  return validator;
}

/** A check of documents, which is compiled when it is first asked for. */
function checkOf(compile: () => ReturnType<Validator['compile']>): (document: unknown) => void {
  let accepts: ReturnType<Validator['compile']> | undefined;
  return (document) => {
    accepts ??= compile();
    assert(accepts(document), JSON.stringify(accepts.errors).slice(0, 2000));
  };
}

/** Gives what fails a test where a document is not of a schema (draft-07), which may have no keyword that is unknown. */
export function schemaCheck(schema: object): (document: unknown) => void {
  return checkOf(() => validatorOf('ajv', { strict: true, strictRequired: false }).compile(schema));
}

/**
 * Fails the test where a document is no SARIF log by Microsoft's schema of version 2.1.0, which comes with their matchers
 * for another test runner. One of its patterns is none of Unicode's.
 */
export const assertSarif = checkOf(() =>
  validatorOf('ajv-draft-04', { strict: false, unicodeRegExp: false }).compile(
    require('@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json') as object,
  ),
);
