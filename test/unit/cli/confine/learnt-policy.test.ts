import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { writeLearnt } from '../../../../cli/confine/learnt-policy.ts';
import { parsePolicy } from '../../../../policy/file/parse.ts';
import { directoryFor, record } from '../fixture.ts';

test('what connected to nothing gets a policy that allows nothing', async (t) => {
  const directory = directoryFor(t);
  const file = join(directory, 'egress.yaml');
  await writeLearnt(await record(directory, []), file, undefined);
  const { policy, problems } = parsePolicy(readFileSync(file, 'utf8'), file);
  assert.deepEqual(
    problems.filter(({ severity }) => severity === 'error'),
    [],
  );
  assert.equal(policy?.mode, 'block');
  assert.deepEqual(policy?.boxes, []);
});

test('what connected to something gets the policy for that, which belongs to its user', async (t) => {
  const directory = directoryFor(t);
  const file = join(directory, 'egress.yaml');
  const root = process.geteuid!() === 0;
  const owner = root ? { uid: 1, gid: 2 } : undefined;
  await writeLearnt(await record(directory, [{}]), file, owner);
  const { policy } = parsePolicy(readFileSync(file, 'utf8'), file);
  assert.equal(policy?.boxes.filter(({ action }) => action === 'allow').length, 1);
  const { gid, uid } = statSync(file);
  if (root) assert.deepEqual([uid, gid], [1, 2]);
});
