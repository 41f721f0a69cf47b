import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { type Outcome, directoryFor, record } from '../fixture.ts';
import { hostileRecord } from './hostile-record.ts';

const MAIN = join(import.meta.dirname, '../../../../bundle/main.js');

function bouheki(...args: string[]): Outcome {
  return spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8', maxBuffer: 1 << 26 });
}

/** The page about a hostile record, and beside the policy that `generate` makes of it. */
async function pageOf(t: TestContext, withPolicy: boolean): Promise<string> {
  const directory = directoryFor(t);
  const db = await hostileRecord(directory);
  const page = join(directory, 'report.html');
  const policy = join(directory, 'policy.yaml');
  if (withPolicy) {
    const { status, stderr, stdout } = bouheki('generate', '--db', db, '--allow-loss');
    assert.equal(status, 0, stderr);
    writeFileSync(policy, stdout, { mode: 0o600 });
  }
  const { status, stderr, stdout } = bouheki(
    'report',
    ...(withPolicy ? [policy] : []),
    '--db',
    db,
    '-o',
    page,
  );
  assert.equal(status, 0, stderr);
  assert.equal(stdout, '');
  assert.equal(statSync(page).mode & 0o777, 0o600);
  return readFileSync(page, 'utf8');
}

/** What is left of a page without its own style and script, which are known by their hashes. */
function withoutOwn(page: string): string {
  const [, policy] = /http-equiv="Content-Security-Policy"\s+content="([^"]*)"/.exec(page)!;
  assert.match(policy!, /^default-src &#39;none&#39;;/);
  return ['style', 'script'].reduce((text, kind) => {
    const [all, content] = new RegExp(`<${kind}>([^]*?)</${kind}>`).exec(text)!;
    const hash = createHash('sha256').update(content!).digest('base64');
    assert.ok(policy!.includes(`${kind}-src &#39;sha256-${hash}&#39;`), kind);
    return text.replace(all, '');
  }, page);
}

test('the page asks for nothing else, and names that others chose are text in it', async (t) => {
  const page = withoutOwn(await pageOf(t, true));
  assert.doesNotMatch(page, /<(?:script|style|link|img|iframe|object|embed|base)\b|javascript:|https?:\/\//i);
  assert.doesNotMatch(page, /\s(?:on\w+|style|src)=/i);
  assert.ok(page.includes('/tmp/&#60;script&#62;alert(1)&#60;/script&#62;'));
  assert.ok(page.includes('/usr/bin/\\u{202e}gnp.exe'));
  assert.ok(page.includes('&#60;b&#62;bold&#60;/b&#62;.example'));
  for (const unsafe of ['\u202e', '\u200d', '\0']) assert.ok(!page.includes(unsafe));
});

test('it has the facts, what to do, each connection, readiness and the record', async (t) => {
  const page = await pageOf(t, false);
  const facts = [...page.matchAll(/<dt>([^<]*)<\/dt>\s*<dd>([^<]*)<\/dd>/g)].map(([, what, value]) => [
    what,
    value,
  ]);
  assert.deepEqual(facts, [
    ['connections', '400'],
    ['subjects', '6'],
    ['destinations', '16'],
    ['denied', '8'],
    ['would be denied', '8'],
    ['lost', '17'],
    ['stable subjects', '0 of 6'],
  ]);
  assert.match(page, /17 events were lost/);
  assert.match(page, /<code>bouheki generate &gt; policy\.yaml<\/code>/);
  const sum = [...page.matchAll(/<tr data-verdict="\w+"[^>]*>[^]*?class="number">([\d,]+)</g)].reduce(
    (total, [, count]) => total + Number(count!.replace(',', '')),
    0,
  );
  assert.equal(sum, 400, 'every connection is in a row');
  const bars = [...page.matchAll(/Z: (\d+) allowed, (\d+) denied, (\d+) would be denied/g)];
  assert.deepEqual(
    [1, 2, 3].map((at) => bars.reduce((total, bar) => total + Number(bar[at]), 0)),
    [384, 8, 8],
    'every connection is in a bar',
  );
  assert.ok(!page.includes('id="policy"'));
});

test('with a policy it has each rule with its text, evidence, marks and reach, and the drift', async (t) => {
  const page = await pageOf(t, true);
  const rules = page.split('<article class="rule">').slice(1);
  assert.ok(rules.length >= 4, `${rules.length} rules`);
  assert.match(rules[0]!, /Deny: cloud metadata/);
  const script = rules.find((rule) => rule.includes('/tmp/&#60;script&#62;'))!;
  assert.match(script, /<pre[^>]*># review: executable in \/tmp[^]*\n- name: /);
  assert.match(script, /\d+ events of \d subjects?, 2026-11-2/);
  assert.match(script, /It allows \d+ addresses, \d+ of them seen: nothing beyond\./);
  assert.match(script, /destinations to review:/);
  assert.match(page, /<h2 id="drift-title">Drift<\/h2>/);
  assert.match(page, /wait for a decision:\s*<code>bouheki review\s/);
});

test('a policy that allows more than was seen says how much', async (t) => {
  const directory = directoryFor(t);
  const db = await record(directory, [{}, { low: 0x0a000002n }]);
  const policy = join(directory, 'policy.yaml');
  const wide =
    'version: 2\nnetwork:\n  mode: block\n  allow:\n    - to: [{ cidr: [10.0.0.0/24, "fd00::/64"] }]\n';
  writeFileSync(policy, wide, { mode: 0o600 });
  const { status, stderr, stdout } = bouheki('report', policy, '--db', db);
  assert.equal(status, 0, stderr);
  assert.match(stdout, /It allows about 2\^64 addresses, 2 of them seen: about 2\^6[34] beyond\./);
  assert.match(stdout, />10\.0\.0\.0\/24</, 'destinations go by the prefix of the policy');
  assert.match(stdout, /- to: \[\{ cidr:/);
});

test('of many connections each subject has rows, and the others are counted', async (t) => {
  const directory = directoryFor(t);
  const events = Array.from({ length: 1500 }, (_, low) => ({ low: BigInt(low), count: 2 }));
  const db = await record(directory, [...events, { uid: 7 }]);
  const { stdout } = bouheki('report', '--db', db);
  assert.equal(stdout.match(/<tr\s+data-verdict/g)?.length, 1000);
  assert.match(
    stdout,
    /1,000 rows, of each subject those of most connections\. 501 more rows have 1,002 connections/,
  );
  assert.match(stdout, /<tr data-verdict="allow"[^>]*>\s*<td class="name">\/usr\/bin\/curl uid 7</);
});

test('an empty record gives a page that says so, and none gives no page', async (t) => {
  const directory = directoryFor(t);
  const db = await record(directory, []);
  const { status, stdout } = bouheki('report', '--db', db);
  assert.equal(status, 0);
  assert.match(stdout, /Nothing was recorded\./);
  assert.match(stdout, /bouheki learn --duration 24h/);
  const page = join(directory, 'none.html');
  assert.equal(bouheki('report', '--db', join(directory, 'none.duckdb'), '-o', page).status, 2);
  assert.ok(!existsSync(page));
});
