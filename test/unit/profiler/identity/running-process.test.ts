import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { RunningProcesses } from '../../../../profiler/identity/running-process.ts';
import { directoryFor } from '../../cli/fixture.ts';

test('a process is read with its program, ids, groups and cgroup', async () => {
  const own = (await new RunningProcesses().read([process.pid])).get(process.pid)!;
  assert.equal(own.exe, realpathSync(process.execPath));
  assert.equal(own.command, readFileSync('/proc/self/comm', 'utf8').trim());
  assert.deepEqual(
    [own.uid, own.euid, own.gid, own.egid],
    [process.getuid!(), process.geteuid!(), process.getgid!(), process.getegid!()],
  );
  assert.equal(own.fsuid, own.euid);
  const others = own.groups.filter((group) => group !== own.egid).toSorted();
  assert.deepEqual(
    others,
    process.getgroups!()
      .filter((group) => group !== own.egid)
      .toSorted(),
  );
  const unified = /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1];
  assert.equal(own.cgroup, unified);
  assert.equal('container' in own, false);
});

test('a script is told from its interpreter, and a name with odd characters does not confuse', async (t) => {
  const script = join(directoryFor(t), 'odd) (name');
  writeFileSync(script, '#!/bin/sh\necho ready\nread line\n');
  chmodSync(script, 0o755);
  const child = spawn(script, { stdio: ['pipe', 'pipe', 'ignore'] });
  await once(child.stdout, 'data');
  const pid = child.pid!;
  const found = (await new RunningProcesses().read([pid, pid])).get(pid)!;
  assert.equal(found.script, script);
  assert.equal(found.exe, realpathSync('/bin/sh'));
  assert.equal(found.command, 'odd) (name');
  child.stdin.end('\n');
  await once(child, 'exit');
});

test('a process that is gone, and a kernel thread, are left out or have no program', async () => {
  const child = spawn('true');
  await once(child, 'exit');
  const found = await new RunningProcesses().read([child.pid!, 4_194_305]);
  assert.equal(found.size, 0);
});
