import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import type { Event } from '../../profiler/fixture.ts';
import type { Outcome } from '../fixture.ts';
import { driftOn, EVENTS } from './fixture.ts';

async function printed(t: TestContext, format: string, events: readonly Event[]): Promise<Outcome> {
  return (await driftOn(t, events))('--format', format);
}

test('NDJSON has a finding a line, each with its schema and times in ISO 8601', async (t) => {
  const { status, stdout } = await printed(t, 'ndjson', EVENTS);
  assert.equal(status, 1);
  const lines = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.deepEqual(
    lines.map(({ schema, kind, severity }) => [schema, kind, severity]),
    [
      ['bouheki.finding/v1', 'new', 'high'],
      ['bouheki.finding/v1', 'new', 'high'],
      ['bouheki.finding/v1', 'denied', 'high'],
    ],
  );
  for (const { first, id } of lines) {
    assert.equal(first, '2026-11-21T00:00:00.000Z');
    assert.match(String(id), /^[0-9a-v]{12}$/);
  }
  assert.equal((await printed(t, 'ndjson', [{}])).stdout, '');
});

test('SARIF has the kinds as rules, and each finding at the line of its rule', async (t) => {
  const { stdout } = await printed(t, 'sarif', EVENTS);
  const log = JSON.parse(stdout) as {
    version: string;
    runs: {
      tool: { driver: { name: string; rules: { id: string }[] } };
      results: {
        ruleId: string;
        ruleIndex: number;
        level: string;
        partialFingerprints: Record<string, string>;
        locations: {
          physicalLocation: { artifactLocation: { uri: string }; region: { startLine: number } };
        }[];
      }[];
    }[];
  };
  const [{ results, tool }] = log.runs as [(typeof log.runs)[0]];
  assert.deepEqual([log.version, log.runs.length, tool.driver.name], ['2.1.0', 1, 'bouheki']);
  for (const { ruleId, ruleIndex } of results) assert.equal(tool.driver.rules[ruleIndex]?.id, ruleId);
  assert.deepEqual(
    results.map(({ level, locations, ruleId }) => [
      ruleId,
      level,
      locations[0]?.physicalLocation.region.startLine,
    ]),
    [
      ['drift/new', 'error', 10],
      ['drift/new', 'error', 10],
      ['drift/denied', 'error', 6],
    ],
  );
  assert.match(
    results[0]!.locations[0]!.physicalLocation.artifactLocation.uri,
    /^file:\/\/\/.*\/policy\.yaml$/,
  );
  assert.equal(new Set(results.flatMap((each) => Object.values(each.partialFingerprints))).size, 3);
});

test('JUnit has a test for each finding, and for each kind without one a test that passes', async (t) => {
  const { stdout } = await printed(t, 'junit', EVENTS);
  assert.match(
    stdout,
    /^<\?xml version="1\.0" encoding="UTF-8"\?>\n<testsuites name="bouheki drift" tests="9" failures="3" errors="0">\n/,
  );
  assert.equal(stdout.match(/<testcase /g)?.length, 9);
  assert.equal(stdout.match(/<failure type="new" /g)?.length, 2);
  assert.match(stdout, /<testcase classname="drift" name="nothing moved"\/>/);
  assert.match(stdout, /a&quot;&lt;b&gt;&amp;&apos;::error/);
  const clean = await printed(t, 'junit', [{}]);
  assert.match(clean.stdout, / tests="8" failures="0" /);
});

test('annotations are one line a group, and names can begin no command', async (t) => {
  const { stdout } = await printed(t, 'github', EVENTS);
  const lines = stdout.trimEnd().split('\n');
  assert.equal(lines.length, 2);
  assert.match(
    lines[0]!,
    /^::error file=[^,]*policy\.yaml,line=10,title=new%3A \/usr\/bin\/curl uid 1000::tcp .* and 1 more \([0-9a-v]{12}\)\. Fix: /,
  );
  assert.match(lines[1]!, /^::error file=[^,]*,line=6,title=denied%3A /);
  const [hostile] = (await printed(t, 'github', [EVENTS[1]!])).stdout.split('\n');
  assert.match(hostile!, /%250aboo/);
});
