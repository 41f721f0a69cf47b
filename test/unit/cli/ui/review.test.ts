import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { directoryFor, runCommand } from '../fixture.ts';
import { marked } from '../review-fixture.ts';
import { type Answer, ask, enter, fieldsOf, type Inside, post, startUi } from './fixture.ts';

/** A review that is open in a browser, of a policy with two destinations to decide on. */
async function opened(t: TestContext): Promise<{ db: string; file: string; inside: Inside }> {
  const { db, file } = await marked(t);
  const { link } = await startUi(t, [file, '--edit', '--db', db]);
  return { db, file, inside: await enter(link) };
}

async function look({ cookie, page }: Inside, query = ''): Promise<Answer> {
  return await ask(`${page}review${query}`, { headers: { cookie } });
}

/** Takes an answer after a look at what it changes. */
async function take(inside: Inside, query: string): Promise<Answer> {
  const { body } = await look(inside, query);
  return await post(inside, fieldsOf(body, 'take'));
}

/** The lines that a page shows as gone and as come. */
function changesIn(page: string): string[] {
  return [...page.matchAll(/<span class="(?:gone|come)">([^<]*)<\/span/g)].map(([, line]) =>
    line!.replaceAll(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code))),
  );
}

test('an answer is shown as the difference that it makes, and nothing else is written', async (t) => {
  const { file, inside } = await opened(t);
  const before = readFileSync(file, 'utf8');
  const { body } = await look(inside, '?answer=deny');
  const changes = changesIn(body);
  assert.ok(
    changes.some((line) => /^\+ .*name: "\/usr\/bin\/curl uid 1000 \(denied\)"/.test(line)),
    body,
  );
  assert.equal(readFileSync(file, 'utf8'), before, 'a look changes nothing');
  const taken = await post(inside, fieldsOf(body, 'take'));
  assert.deepEqual([taken.status, taken.headers.location], [303, 'review']);
  const [gone, come] = ['-', '+'].map((sign) =>
    changes.filter((line) => line.startsWith(sign)).map((line) => line.slice(2)),
  ) as [string[], string[]];
  const expected = before.split('\n');
  for (const line of gone) expected.splice(expected.indexOf(line), 1);
  assert.deepEqual(readFileSync(file, 'utf8').split('\n').toSorted(), [...expected, ...come].toSorted());
  assert.match((await look(inside)).body, /Deny: done, and kept in .*policy\.yaml\.decisions/);
});

test('the last answers are taken back one after the other, also those of a review before', async (t) => {
  const { db, file } = await marked(t);
  const generated = readFileSync(file, 'utf8');
  const first = await enter((await startUi(t, [file, '--edit', '--db', db])).link);
  await take(first, '?answer=deny');
  const denied = readFileSync(file, 'utf8');
  const { link } = await startUi(t, [file, '--edit', '--db', db]);
  const second = await enter(link);
  await take(second, '?answer=ignore');
  const done = (await look(second)).body;
  assert.match(done, /Nothing is left to review/);
  await post(second, fieldsOf(done, 'undo'));
  assert.equal(readFileSync(file, 'utf8'), denied);
  const again = (await look(second)).body;
  assert.match(again, /Taken back: /);
  await post(second, fieldsOf(again, 'undo'));
  assert.equal(readFileSync(file, 'utf8'), generated);
  const { body, status } = await post(second, fieldsOf((await look(second)).body, 'undo'));
  assert.equal(status, 409);
  assert.match(body, /There is nothing that can be taken back/);
});

test('a form is carried out once, and only for what its page has shown', async (t) => {
  const { file, inside } = await opened(t);
  const form = fieldsOf((await look(inside, '?answer=ignore')).body, 'take');
  const before = readFileSync(file, 'utf8');
  for (const change of [
    { answer: 'deny' },
    { answer: 'widen', cidr: '10.0.0.0/8' },
    { seen: '' },
    { answer: 'all' },
    { do: 'all' },
  ]) {
    assert.equal((await post(inside, { ...form, ...change })).status, 409, JSON.stringify(change));
    assert.equal(readFileSync(file, 'utf8'), before);
  }
  assert.equal((await post(inside, form)).status, 303);
  const after = readFileSync(file, 'utf8');
  const second = await post(inside, form);
  assert.equal(second.status, 409);
  assert.match(second.body, /What is asked has changed since that page was made/);
  assert.equal(readFileSync(file, 'utf8'), after);
});

test('what cannot be carried out is said, in the page that asks', async (t) => {
  const { inside } = await opened(t);
  for (const [query, said] of [
    ['?answer=widen&cidr=10.0.0.0', /is no CIDR|does not hold/],
    ['?answer=widen&cidr=nonsense', /&#34;nonsense&#34; is no CIDR/],
    ['?answer=widen&cidr=0.0.0.0/0', /is wider than/],
    ['?answer=narrow', /nothing is narrower/],
    ['?answer=%3Cscript%3E', /There is no such answer/],
  ] as const) {
    const { body, status } = await look(inside, query);
    assert.equal(status, 409, query);
    assert.match(body, said);
    assert.match(body, /role="alert"/);
  }
});

test('a policy that another program has changed meanwhile is not overwritten', async (t) => {
  const { file, inside } = await opened(t);
  const form = fieldsOf((await look(inside, '?answer=deny')).body, 'take');
  const edited = readFileSync(file, 'utf8').replace(/^network:/m, '# By hand.\nnetwork:');
  writeFileSync(file, edited);
  const { body, status } = await post(inside, form);
  assert.equal(status, 409);
  assert.match(body, /was changed by another program meanwhile/);
  assert.equal(readFileSync(file, 'utf8'), edited);
  // And goes on with what is there now.
  assert.equal((await take(inside, '?answer=deny')).status, 303);
  assert.match(readFileSync(file, 'utf8'), /# By hand\.[^]*\(denied\)/);
});

test('earlier answers that widen are carried out again after a yes alone', async (t) => {
  const { db, file, inside } = await opened(t);
  const kept = join(directoryFor(t), 'policy.yaml');
  copyFileSync(file, kept);
  assert.equal((await take(inside, '?answer=widen&cidr=203.0.113.0/24')).status, 303);
  // The policy is generated anew, and asks again.
  writeFileSync(file, readFileSync(kept));
  const { link } = await startUi(t, [file, '--edit', '--db', db]);
  const second = await enter(link);
  const asked = (await look(second)).body;
  assert.match(asked, /Carry out again\?[^]*203\.0\.113\.0\/24/);
  assert.equal(readFileSync(file, 'utf8'), readFileSync(kept, 'utf8'));
  await post(second, fieldsOf(asked, 'again'));
  assert.match(readFileSync(file, 'utf8'), /203\.0\.113\.0\/24/);
  writeFileSync(file, readFileSync(kept));
  const third = await enter((await startUi(t, [file, '--edit', '--db', db])).link);
  await post(third, fieldsOf((await look(third)).body, 'anew'));
  assert.match((await look(third)).body, /2 destinations left/);
  assert.equal(readFileSync(file, 'utf8'), readFileSync(kept, 'utf8'));
  const { stdout } = runCommand('review', file, '--db', db, '--json');
  assert.equal((JSON.parse(stdout) as { items: unknown[] }).items.length, 2);
});

test('what was skipped is left, and can be asked about again', async (t) => {
  const { file, inside } = await opened(t);
  const before = readFileSync(file, 'utf8');
  for (let at = 0; at < 2; at += 1) await post(inside, fieldsOf((await look(inside)).body, 'skip'));
  const { body } = await look(inside);
  assert.match(body, /2 destinations left, which you skipped/);
  await post(inside, fieldsOf(body, 'skipped'));
  assert.match((await look(inside)).body, /1\/2: 2 destinations left/);
  assert.equal(readFileSync(file, 'utf8'), before);
});
