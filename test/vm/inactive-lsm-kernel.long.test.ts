/** The same as in inactive-lsm.test.ts on the other kernels: what can't be enforced is never claimed to be. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runInGuest } from './guest-commands.ts';

for (const kernel of ['5.10', '6.12', '7.2']) {
  test(`on ${kernel} without bpf among the active modules the backend lsm does not start, and another one is taken`, () => {
    const lsm = ['--backend', 'lsm'];
    const [learn, enforce, doctor] = runInGuest(
      ['--kernel', kernel, '--lsm', 'landlock,yama'],
      [['learn', '--duration', '1s', ...lsm], ['enforce', '/tmp/policy.yaml', ...lsm], ['doctor']],
    );
    for (const refused of [learn!, enforce!]) {
      assert.match(
        refused.text,
        /^bouheki: the backend lsm: bpf is not among the active security modules \(/m,
      );
      assert.equal(refused.status, 2);
    }
    assert.match(doctor!.text, /^ok {7}the backend fmod_ret: sees the whole host; /m);
    // 5.10 has no task storage, which is said too.
    const limited = kernel === '5.10' ? ' Limited: task storage (Linux 5.11).' : '';
    assert.ok(
      doctor!.text.endsWith(`\nReady: learn and enforce can watch the whole host.${limited}\n`),
      doctor!.text,
    );
    assert.equal(doctor!.status, 0);
  });

  test(`on ${kernel} under lockdown=confidentiality nothing starts, and the reason is given`, () => {
    const [learn, doctor] = runInGuest(
      ['--kernel', kernel, '--append', 'lockdown=confidentiality'],
      [['learn', '--duration', '1s'], ['doctor']],
    );
    assert.match(
      learn!.text,
      /^bouheki: kernel memory readable by BPF programs: lockdown: confidentiality\n {2}boot without /m,
    );
    assert.equal(learn!.status, 2);
    assert.match(doctor!.text, /^MISSING {2}kernel memory readable by BPF programs: lockdown: confid/m);
    assert.equal(doctor!.status, 1);
  });
}
