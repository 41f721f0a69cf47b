import assert from 'node:assert/strict';
import test from 'node:test';
import fc from '../../arbitrary/fast-check.ts';
import { generatePolicy } from '../../../generator/generate.ts';
import { risksOf, TOLD } from '../../../generator/risk.ts';
import { risksText } from '../../../cli/report/generate-summary.ts';
import type { Loss, RecordedObservation } from '../../../profiler/read/read.ts';
import { input, observation, observed, OPTIONS, START, unlessNoData } from './fixture.ts';

const DAY = 86_400_000_000;
const steady = { count: 90, first: START, last: START + 8 * DAY, blocks: [9, 9, 9, 9, 9, 9, 9, 9, 9, 9] };

function risks(record: readonly RecordedObservation[], losses: Loss[] = []) {
  const given = input(record, { losses });
  return risksOf(generatePolicy(given, { ...OPTIONS, allowLoss: true }), given);
}

test('what can do most harm comes first, each reason once for all subjects', () => {
  const record = [
    observed(steady),
    observed({ ...steady, address: 0x0a000002n, subject: { exe: '/usr/bin/wget' } }),
    observed({ ...steady, count: 1, blocks: [1, 0, 0, 0, 0, 0, 0, 0, 0, 0], address: 0x0a000003n }),
    observed({ ...steady, address: 0xa9fea9fen, port: 80, subject: { exe: '/usr/bin/agent' } }),
    observed({ ...steady, subject: { exe: '/tmp/a' } }),
    observed({ ...steady, subject: { exe: '/tmp/b' } }),
    observed({ ...steady, socket: 'raw', address: 0n, port: 0, protocol: 0 }),
  ];
  const found = risks(record, [{ kind: 'ring', count: 3 } as Loss]);
  assert.deepEqual(
    found.slice(0, 4).map(({ text }) => text),
    [
      'the record lacks events: 3 ring',
      'metadata address, which hands out credentials: 169.254.169.254:80/tcp',
      'can send past the rules for addresses: raw socket',
      'executable in /tmp: 10.0.0.1:443/tcp',
    ],
  );
  assert.deepEqual(found[3]!.subjects, ['/tmp/a uid 1000', '/tmp/b uid 1000']);
  assert.equal(found.filter(({ text }) => text.startsWith('seen once')).length, 1);
  assert.match(
    risksText(found),
    /^ 2\. metadata address, .*169\.254\.169\.254:80\/tcp \(\/usr\/bin\/agent uid 1000\)$/m,
  );
});

test('of a record with nothing odd nothing stands out', () => {
  assert.deepEqual(risks([observed(steady)]), []);
  assert.equal(risksText([]), 'Nothing stands out.\n');
});

test('ten are told at most, the same whatever the order of the record', () => {
  fc.assert(
    fc.property(fc.array(observation, { minLength: 1, maxLength: 30 }), (record) => {
      const found = unlessNoData(() => risks(record));
      if (found === undefined) return;
      assert.deepEqual(risks(record.toReversed()), found);
      const lines = risksText(found).trimEnd().split('\n');
      assert.ok(lines.filter((line) => /^ *\d+\. /.test(line)).length <= TOLD);
      assert.equal(/and \d+ more;/.test(lines.at(-1)!), found.length > TOLD);
    }),
    { numRuns: 100 },
  );
});
