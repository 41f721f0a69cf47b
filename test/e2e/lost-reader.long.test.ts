/** A reader that does not read what a recorder writes neither ends it, nor stops it, nor changes its exit status. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { flood, pythonTo } from './attempt.ts';
import { BOUHEKI, bouheki, query } from './bouheki.ts';
import { cgroup, folder, inCgroup, programsLeft, startNetwork, stopNetwork, succeeded } from './guest.ts';

before(startNetwork);
after(stopNetwork);

/** How long anything that is waited for may take, milliseconds. */
const PATIENCE = 300_000;

async function until(there: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + PATIENCE;
  while (!(await there())) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ${PATIENCE} ms`);
    await sleep(200);
  }
}

/** bouheki started by a line of a shell, in a folder of its own with a policy and a record. */
class Started {
  readonly place = folder();
  readonly policy = join(this.place, 'policy.yaml');
  readonly db = join(this.place, 'record.duckdb');
  readonly #shell: ChildProcess;

  /** In `line` a function `recorder` runs bouheki with its arguments, and leaves its pid and its status in files. */
  constructor(line: string, log = '') {
    this.deny('10.0.1.1', log);
    const recorder = `recorder() { (echo $BASHPID >pid; exec ${BOUHEKI.join(' ')} "$@" --db record.duckdb); echo $? >status; }`;
    const script = join(this.place, 'script');
    writeFileSync(script, `${recorder}\nexport -f recorder\n${line}\n`);
    this.#shell = spawn('bash', [script], { cwd: this.place, stdio: 'ignore' });
  }

  /** A policy that denies one address, and another one to a cgroup. */
  deny(address: string, log = ''): void {
    writeFileSync(
      this.policy,
      `version: 2
network:
  mode: block
  deny:
    - { to: [{ cidr: [${address}/32] }] }
    - { from: { cgroup: [/late] }, to: [{ cidr: [10.0.1.9/32] }] }
  allow:
    - { to: [{ cidr: [10.0.0.0/8] }] }
${log}`,
    );
    chmodSync(this.policy, 0o600);
  }

  file(name: string): string {
    return existsSync(join(this.place, name)) ? readFileSync(join(this.place, name), 'utf8') : '';
  }

  write(name: string): void {
    writeFileSync(join(this.place, name), '');
  }

  get pid(): number {
    return Number(this.file('pid'));
  }

  /** Whether the recorder is there: its process may have ended without a parent that waits. */
  get runs(): boolean {
    return /^State:\s+[^ZX]/m.test(readFileOf(`/proc/${this.pid}/status`));
  }

  signal(signal: NodeJS.Signals): void {
    process.kill(this.pid, signal);
  }

  /** Waits until an address is denied. */
  async inForce(address: string): Promise<void> {
    await until(() => existsSync(`${this.db}.sock`), 'a recorder that answers');
    await until(() => pythonTo('tcp', address, 80) === 'EPERM', `${address} denied`);
  }

  status(): { recorder: { pid: number; output: { messages: number; lines: number; waiting: number } } } {
    return JSON.parse(succeeded(bouheki('status', '--json', '--db', this.db)).stdout) as ReturnType<
      Started['status']
    >;
  }

  /** Ends it by SIGTERM. Returns its exit status. */
  async end(): Promise<string> {
    this.signal('SIGTERM');
    await until(() => this.file('status') !== '', 'the end');
    assert.deepEqual(programsLeft(), []);
    return this.file('status').trim();
  }

  /** Ends the shell, and with it what it has started that still runs. */
  kill(): void {
    this.#shell.kill('SIGKILL');
  }
}

function readFileOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

test('enforce whose standard error and output end at once blocks on, reads its policy and ends with 0', async () => {
  const enforce = new Started('recorder enforce policy.yaml --no-preflight 2>&1 | head -n 3 >first');
  await enforce.inForce('10.0.1.1');
  enforce.deny('10.0.1.2');
  enforce.signal('SIGHUP');
  await enforce.inForce('10.0.1.2');
  assert.equal(pythonTo('tcp', '10.0.1.1', 80), 'reached');
  const { output } = enforce.status().recorder;
  assert.ok(output.messages > 0 && output.lines > 0, JSON.stringify(output));
  assert.equal(await enforce.end(), '0');
  assert.match(enforce.file('first'), /^Recording 1 into .*\nBackend \w+: .*\nBlocking by policy\.yaml/);
});

for (const [how, line, log] of [
  [
    'standard output and error',
    'recorder enforce policy.yaml 2>&1 | { until [ -e read ]; do sleep 0.1; done; cat >seen; }',
    '',
  ],
  ['a log that is a FIFO', 'mkfifo fifo; recorder enforce policy.yaml 2>said', 'log: { output: fifo }\n'],
] as const) {
  test(`enforce of which nobody reads ${how} judges, records, follows and ends as ever`, async () => {
    const enforce = new Started(line, log);
    await enforce.inForce('10.0.1.1');
    assert.equal(flood('10.0.1.1', 6000), 6000);
    await until(() => {
      const { lines, waiting } = enforce.status().recorder.output;
      return lines + waiting > 0;
    }, 'lines that wait');
    // Made now, so that it is known only if enforcement hears of it.
    const late = cgroup('/late');
    await until(
      () =>
        inCgroup(late, 'python3', '-c', `import socket; socket.create_connection(('10.0.1.9', 80), 20)`)
          .status !== 0,
      'the rule of a new cgroup',
    );
    enforce.deny('10.0.1.2', log);
    enforce.signal('SIGHUP');
    await enforce.inForce('10.0.1.2');
    await until(async () => {
      const [denied] = await query<{ n: number }>(
        enforce.db,
        `SELECT count(DISTINCT port)::INTEGER AS n FROM connections WHERE address = '10.0.1.1' AND verdict = 'deny'`,
      );
      return denied!.n >= 6000;
    }, 'every denial in the record');
    assert.equal(await enforce.end(), '0');
    enforce.write('read');
    enforce.kill();
  });
}

test('a terminal that is closed ends neither enforce nor its policy, and is no SIGHUP', async () => {
  const line = `script -qfec 'echo $$ >pid; exec ${BOUHEKI.join(' ')} enforce policy.yaml --db record.duckdb 2>said' seen & echo $! >terminal; wait`;
  const enforce = new Started(line);
  await enforce.inForce('10.0.1.1');
  const denial = /^\d\d:\d\d:\d\d .*DENY.* python3 \(root\) -> 10\.0\.1\.1:80\/tcp  by "/m;
  await until(() => denial.test(enforce.file('seen')), 'a denial as a line for people');
  enforce.deny('10.0.1.2');
  process.kill(Number(enforce.file('terminal')), 'SIGKILL');
  await until(
    () => /^The terminal has gone; enforcement goes on\./m.test(enforce.file('said')),
    'the hang-up',
  );
  assert.equal(pythonTo('tcp', '10.0.1.2', 80), 'reached', 'not read again');
  assert.equal(pythonTo('tcp', '10.0.1.1', 80), 'EPERM', 'it blocks');
  // After a while, in which others may signal the end of the same terminal, SIGHUP is a request again.
  await until(() => {
    enforce.signal('SIGHUP');
    return pythonTo('tcp', '10.0.1.2', 80) === 'EPERM';
  }, 'a reload');
  enforce.signal('SIGTERM');
  await until(() => !enforce.runs, 'the end');
  assert.match(enforce.file('said'), /^Recorded \d+ connections; the policy is no longer in force\.$/m);
  assert.match(enforce.file('said'), /^Denied: \d+ attempts\.$/m);
  assert.doesNotMatch(enforce.file('said'), /Assertion|bug in bouheki/);
});

test('learn goes on without its terminal and without a reader, and ends with 0', async () => {
  // Not every shell that `script` may take hands an exported function on.
  const learn = new Started(
    `SHELL=/bin/bash script -qec 'bash -c "trap : HUP; recorder learn"' /dev/null & echo $! >terminal; wait`,
  );
  await until(() => existsSync(`${learn.db}.sock`), 'a recorder that answers');
  const recorded = async (address: string): Promise<boolean> =>
    pythonTo('tcp', address, 80) === 'reached' &&
    (await query(learn.db, `SELECT 1 FROM connections WHERE address = '${address}'`)).length > 0;
  await until(() => recorded('10.0.1.1'), 'a record');
  process.kill(Number(learn.file('terminal')), 'SIGKILL');
  await until(
    () => !/tty|pts/.test(execFileSync('ps', ['-o', 'tty=', '-p', String(learn.pid)], { encoding: 'utf8' })),
    'no terminal',
  );
  learn.signal('SIGHUP');
  await until(() => recorded('10.0.1.2'), 'a record after it');
  assert.equal(await learn.end(), '0');
});
