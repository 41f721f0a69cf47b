import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { policyJsonSchema, printJsonSchema } from '../../../../policy/file/schema-json.ts';

test('the committed JSON Schema is that of the code (else: npm run build:schema)', () => {
  const committed = readFileSync(new URL('../../../../../policy.schema.json', import.meta.url), 'utf8');
  assert.equal(committed, printJsonSchema());
});

test('every field of the JSON Schema has a description and refuses unknown keys', () => {
  let fields = 0;
  const walk = (node: unknown, path: string) => {
    if (typeof node !== 'object' || node === null) return;
    const { properties, additionalProperties } = node as Record<string, unknown>;
    for (const [key, field] of Object.entries(properties ?? {})) {
      fields++;
      if (path !== '.if') assert.ok((field as { description?: string }).description, `${path}.${key}`);
    }
    if (properties && path !== '.if') assert.equal(additionalProperties, false, path);
    for (const [key, value] of Object.entries(node)) walk(value, `${path}.${key}`);
  };
  walk(policyJsonSchema(), '');
  assert.ok(fields > 50);
});
