import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { FleetSource } from '../../../../cli/joined/fleet-source.ts';
import { blocksSome } from '../../../../policy/meaning/mode.ts';

function directoryFor(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'bouheki-test-'));
  t.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

/** What `enforce` begins with there, and what it says. */
function begun(directory: string): { blocks: boolean; file: string; said: string } {
  const said: string[] = [];
  const { file, policy } = new FleetSource(directory, (text) => said.push(text)).first();
  return { blocks: blocksSome(policy), file, said: said.join('') };
}

test('without a policy of the fleet nothing is blocked, and there is nothing to say', (t) => {
  const { blocks, said } = begun(directoryFor(t));
  assert.deepEqual([blocks, said], [false, '']);
});

test('where the last good policy is broken nothing is blocked, and that is said with what is wrong', (t) => {
  const directory = directoryFor(t);
  const held = join(directory, 'held');
  mkdirSync(held);
  const lastGood = join(directory, 'last-good');
  const warned = (what: RegExp): void => {
    const { blocks, said } = begun(directory);
    assert.equal(blocks, false);
    assert.match(said, /what .*last-good names cannot be read/);
    assert.match(said, what);
    assert.match(said, /nothing is blocked until another one comes/);
    assert.doesNotMatch(said, /bug in bouheki/);
  };
  writeFileSync(lastGood, '1-ab-block.json\n');
  warned(/there is no .*1-ab-block\.json/);
  writeFileSync(join(held, '1-ab-block.json'), '{"format":1,"manifest":"e30=","placement":"e30=","body":""}');
  warned(/1-ab-block\.json is broken/);
  truncateSync(join(held, '1-ab-block.json'), 10);
  warned(/JSON/);
  // As a disk leaves it that lost power in the middle.
  writeFileSync(lastGood, '');
  warned(/names no policy/);
  writeFileSync(lastGood, '../../etc/policy.yaml\n');
  warned(/names no policy/);
  rmSync(lastGood);
  mkdirSync(lastGood);
  warned(/EISDIR/);
  assert.deepEqual(readdirSync(held), ['1-ab-block.json']);
});
