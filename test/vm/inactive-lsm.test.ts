/** Kernels that would attach the programs and never ask them, or never let them see: said before anything is claimed. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';

const repository = join(import.meta.dirname, '../../..');

interface Ended {
  status: number;
  text: string;
}

/** Boots a machine with these options, and runs each bouheki command there. */
function runInGuest(options: string[], commands: string[][]): Ended[] {
  const script = `
    printf 'network:\\n  mode: block\\n' >/tmp/policy.yaml
    export BOUHEKI_DB=/tmp/record.duckdb
    for command in "$@"; do
      node dist/bundle/main.js $command 2>&1
      printf '\\001%s\\002' $?
    done
    [ ! -e $BOUHEKI_DB ]`;
  const words = commands.map((command) => command.join(' '));
  const { status, stdout, stderr } = spawnSync(
    join(repository, 'test/vm/run'),
    ['--timeout', '140', ...options, '--', 'bash', '-c', script, 'bash', ...words],
    { encoding: 'utf8', cwd: repository },
  );
  assert.equal(status, 0, `no database is made\n${stdout}${stderr}`);
  const parts = stdout.split('\u0002').slice(0, -1);
  return parts.map((part) => {
    const [text = '', code = ''] = part.split('\u0001');
    return { text, status: Number(code) };
  });
}

test('without bpf among the active modules nothing starts, and the boot parameter is named', () => {
  const [learn, enforce, doctor] = runInGuest(
    ['--lsm', 'landlock,yama'],
    [['learn', '--duration', '1s'], ['enforce', '/tmp/policy.yaml'], ['doctor']],
  );
  for (const refused of [learn!, enforce!]) {
    assert.match(refused.text, /^bouheki: bpf among the active security modules: \S*landlock\S*$/m);
    assert.match(
      refused.text,
      /^ {2}add the boot parameter lsm=\S*landlock,yama,bpf \(.*\) and reboot; or watch one cgroup, with less: --cgroup /m,
    );
    assert.equal(refused.status, 2);
  }
  assert.match(doctor!.text, /^MISSING {2}bpf among the active security modules: /m);
  assert.match(doctor!.text, /^ +add the boot parameter lsm=\S*landlock,yama,bpf /m);
  assert.doesNotMatch(doctor!.text, /the kernel side loads, attaches and is asked/);
  assert.match(
    doctor!.text,
    /^Not ready\. Missing: bpf among the active security modules\. First, add the boot /m,
  );
  assert.equal(doctor!.status, 1);
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
  assert.match(doctor!.text, /\nReady: learn and enforce can watch the whole host\.$/m);
  assert.equal(doctor!.status, 0);
});
