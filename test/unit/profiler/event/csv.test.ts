import assert from 'node:assert/strict';
import test from 'node:test';
import fc from '../../../arbitrary/fast-check.ts';
import { CsvParser } from '../../../../profiler/event/csv.ts';
import { parseTime } from '../../../../profiler/event/time.ts';

function write(field: string): string {
  return /[",\n\r]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}

test('whatever is written comes back, however it is cut into pieces, with the line it began on', () => {
  const field = fc.string({ unit: fc.constantFrom('a', 'é', ',', '"', '\n', '\r\n', ' ') });
  const row = fc.array(field, { minLength: 2, maxLength: 4 });
  fc.assert(
    fc.property(
      fc.array(row, { minLength: 1 }),
      fc.integer({ min: 1, max: 7 }),
      fc.boolean(),
      (rows, size, crlf) => {
        const text = rows.map((fields) => fields.map(write).join(',')).join(crlf ? '\r\n' : '\n');
        const parser = new CsvParser();
        const read = [];
        for (let at = 0; at < text.length; at += size) read.push(...parser.push(text.slice(at, at + size)));
        read.push(...parser.end());
        assert.deepEqual(
          read.map(({ fields }) => fields),
          rows,
        );
        let line = 1;
        for (const [index, fields] of rows.entries()) {
          assert.equal(read[index]!.line, line);
          line += 1 + fields.join('').split('\n').length - 1;
        }
      },
    ),
  );
});

test('a quote that is never closed costs its own line only', () => {
  const parser = new CsvParser();
  const rows = [...parser.push('a,"b\nc,d\ne,f\n'), ...parser.end()];
  assert.deepEqual(
    rows.map(({ line, fields, problem }) => [line, fields.join('|'), problem]),
    [
      [1, '', 'a quote is not closed'],
      [2, 'c|d', undefined],
      [3, 'e|f', undefined],
    ],
  );
});

test('times are read to the microsecond, and what is no time is not', () => {
  const times: [string, number | undefined][] = [
    ['1970-01-01T00:00:00Z', 0],
    ['1970-01-01 00:00:01.5', 1_500_000],
    ['1970-01-01T02:00:00.000001+02:00', 1],
    ['1969-12-31T23:00:00-0100', undefined],
    ['1970-01-01T00:00:00-01:00', 3_600_000_000],
    ['1795219200.1234567', 1_795_219_200_123_456],
    ['2026-02-29T00:00:00Z', undefined],
    ['2026-11-21T09:30:00+99:99', undefined],
    ['2026-11-21T09:30:00-14:01', undefined],
    ['2026-11-21T09:30:00+0560', undefined],
    ['1970-01-02T00:00:00+14:00', 36_000_000_000],
    ['2028-02-29T00:00:00Z', 1_835_395_200_000_000],
    ['2026-13-01T00:00:00Z', undefined],
    ['2026-11-21', undefined],
    ['1795219200000', undefined],
    ['', undefined],
  ];
  for (const [text, expected] of times) assert.equal(parseTime(text), expected, text);
});
