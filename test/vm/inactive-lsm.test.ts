/**
 * Kernels that would attach the programs and never ask them, or never let them see: said before anything is claimed. Where
 * there is another way it is taken, and said too.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runInGuest } from './guest-commands.ts';

test('without bpf among the active modules the backend lsm does not start, and the one that does is named', () => {
  const lsm = ['--backend', 'lsm'];
  for (const refused of runInGuest(
    ['--lsm', 'landlock,yama'],
    [
      ['learn', '--duration', '1s', ...lsm],
      ['enforce', '/tmp/policy.yaml', ...lsm],
    ],
  )) {
    assert.match(
      refused.text,
      /^bouheki: the backend lsm: bpf is not among the active security modules \(\S*landlock\S*\)$/m,
    );
    assert.match(
      refused.text,
      /^ {2}leave --backend out: fmod_ret sees the same and needs no boot parameter$/m,
    );
    assert.equal(refused.status, 2);
  }
});

test('without bpf among the active modules everything works by fmod_ret, and no boot parameter is asked for', () => {
  const [doctor, learn] = runInGuest(
    ['--lsm', 'landlock,yama', '--append', 'preempt=full'],
    [['doctor'], ['learn', '--duration', '1s', '--db', '/root/other.duckdb']],
  );
  assert.match(
    learn!.text,
    /^Backend fmod_ret: bpf is not among the active security modules \(\S*landlock,yama\)\.$/m,
  );
  assert.equal(learn!.status, 0);
  assert.match(doctor!.text, /^limited {2}the backend lsm: bpf is not among the active security modules \(/m);
  assert.match(doctor!.text, /^ +not needed: the backend fmod_ret is taken$/m);
  assert.match(doctor!.text, /^ok {7}the backend fmod_ret: sees the whole host; /m);
  assert.match(doctor!.text, /^ok {7}the kernel side loads, attaches and is asked: by fmod_ret; /m);
  assert.match(
    doctor!.text,
    /^ok {7}a second judge of what this kernel leaves out: enforce attaches it at \/sys\/fs\/cgroup: it preempts /m,
  );
  assert.match(doctor!.text, /\nReady: learn and enforce can watch the whole host\.$/m);
  assert.doesNotMatch(doctor!.text, /boot parameter/);
  assert.equal(doctor!.status, 0);
});

test('under lockdown=confidentiality nothing starts, and the reason is given', () => {
  const [learn, doctor] = runInGuest(
    ['--append', 'lockdown=confidentiality'],
    [['learn', '--duration', '1s'], ['doctor']],
  );
  assert.match(
    learn!.text,
    /^bouheki: kernel memory readable by BPF programs: lockdown: confidentiality\n {2}boot without lockdown=confidentiality; /m,
  );
  assert.equal(learn!.status, 2);
  assert.match(
    doctor!.text,
    /^MISSING {2}kernel memory readable by BPF programs: lockdown: confidentiality$/m,
  );
  assert.equal(doctor!.status, 1);
});

test('under lockdown=integrity everything works', () => {
  const [doctor] = runInGuest(['--append', 'lockdown=integrity'], [['doctor']]);
  assert.match(doctor!.text, /^ok {7}kernel memory readable by BPF programs: lockdown: integrity$/m);
  assert.match(doctor!.text, /^ok {7}the kernel side loads, attaches and is asked: /m);
  assert.doesNotMatch(doctor!.text, /second judge/);
  assert.match(doctor!.text, /\nReady: learn and enforce can watch the whole host\.$/m);
  assert.equal(doctor!.status, 0);
});
