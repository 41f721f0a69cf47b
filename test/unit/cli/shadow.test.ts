/** The candidate of a run of enforce: what it is read from, and when it is counted no more. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ShadowRun } from '../../../cli/run/shadow.ts';
import { BouhekiError } from '../../../error/error.ts';
import { EventBatch } from '../../../profiler/event/batch.ts';
import { discarding } from '../../../profiler/event/sink.ts';
import { directoryFor } from './fixture.ts';

const ALL = 'version: 2\nnetwork:\n  allow: [{}]\n';
const NONE = 'version: 2\nnetwork:\n  allow: []\n';

test('its file is read again, and a bad one leaves what was counted', async (t) => {
  const file = join(directoryFor(t), 'next.yaml');
  writeFileSync(file, ALL);
  const said: string[] = [];
  const run = (await ShadowRun.of({ shadow: file }, (text) => said.push(text)))!;
  assert.deepEqual(run.status, {});
  run.tap(discarding());
  const first = run.status.shadow!.policyHash;
  assert.deepEqual(said, [`Counted beside the policy in force: ${first} of ${file}.\n`]);
  writeFileSync(file, 'version: 2\n');
  await run.reload();
  assert.equal(run.status.shadow!.policyHash, first);
  assert.equal(said.at(-1), 'The shadow policy that was counted stays.\n');
  writeFileSync(file, NONE);
  await run.reload();
  const second = run.status.shadow!.policyHash;
  assert.notEqual(second, first);
  writeFileSync(file, ALL);
  assert.equal(await run.apply(file), `Counted beside the policy in force: ${first} of ${file}.\n`);
  await assert.rejects(run.apply(`${file}.none`), BouhekiError);
});

test('it ends with the record, and where it cannot be judged by', async (t) => {
  const file = join(directoryFor(t), 'next.yaml');
  writeFileSync(file, NONE);
  const said: string[] = [];
  const run = (await ShadowRun.of({ shadow: file }, (text) => said.push(text)))!;
  const sink = run.tap(discarding());
  const broken = new EventBatch();
  Object.defineProperty(broken, 'columns', { value: {} });
  broken.length = 1;
  sink.append(broken);
  sink.append(broken);
  assert.deepEqual(run.status, {});
  assert.equal(said.filter((text) => /not counted any more/.test(text)).length, 1);
  run.stop();
  await run.reload();
  assert.equal(said.filter((text) => /not counted any more/.test(text)).length, 1);
  await assert.rejects(run.apply(file), /nothing is counted any more/);
});
