import assert from 'node:assert/strict';
import { realpathSync } from 'node:fs';
import { test } from 'node:test';
import {
  ancestorNames,
  ancestorText,
  findAncestors,
  withExecutable,
} from '../../../../profiler/identity/ancestor.ts';

test('names come back out of the text, whatever a process calls itself', () => {
  const names = ['bash', 'a < sshd', '<', ' < ', '', 'systemd'];
  const text = ancestorText(names.map((command) => ({ command })));
  assert.equal(text.split(' < ').length, names.length);
  assert.deepEqual(ancestorNames(text), names);
});

test('/proc tells the ancestors of a process, and none of one that is gone', () => {
  const [parent, ...others] = findAncestors(process.pid);
  assert.equal(parent!.pid, process.ppid);
  assert.ok(parent!.primed && others.length <= 2);
  assert.deepEqual(findAncestors(4_194_305), []);
});

test('an executable is only told of the process that is meant', () => {
  const [own] = findAncestors(process.pid);
  const told = { ...own!, started: own!.started + 1n };
  const path = realpathSync(`/proc/${process.ppid}/exe`);
  assert.equal(withExecutable({ ...told, path: '' }).path, path);
  assert.equal(withExecutable({ ...told, path: '/opt/it' }).path, '/opt/it');
  assert.equal(withExecutable({ ...told, path: '', started: told.started - 20_000_000n }).path, '');
  assert.equal(withExecutable({ ...told, path: '', command: 'other' }).path, '');
});
