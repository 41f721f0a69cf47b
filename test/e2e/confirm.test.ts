/** A policy can be tried out: unless it is confirmed it goes out of force, and one command takes any policy back. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { kernelVersion } from '../../bpf/probe.ts';
import { pythonTo } from './attempt.ts';
import { bouheki, Running } from './bouheki.ts';
import { type Ended, folder, programsLeft, run, startNetwork, stopNetwork, USER } from './guest.ts';
import { Hammer } from './hammer.ts';

const place = folder();
const db = join(place, 'record.duckdb');

function policy(name: string, text: string): string {
  const file = join(place, name);
  writeFileSync(file, text);
  chmodSync(file, 0o600);
  return file;
}

/** Nobody may do anything but the user who stands for somebody elsewhere, and types here. */
const NOTHING = policy(
  'nothing.yaml',
  `version: 2\nnetwork:\n  mode: block\n  allow: [{ from: { uid: [${USER}] }, to: [{ cidr: [10.0.0.2] }] }]\n`,
);
const ONE = policy('one.yaml', allowing('10.0.1.1'));
const TWO = policy('two.yaml', allowing('10.0.1.2'));

function allowing(address: string): string {
  return `version: 2\nnetwork:\n  mode: block\n  allow: [{ to: [{ cidr: [${address}, 127.0.0.0/8] }] }]\n`;
}

/** Which of two addresses can be reached. */
function reached(): string[] {
  return ['10.0.1.1', '10.0.1.2'].filter((address) => pythonTo('tcp', address, 80) === 'reached');
}

function ask(...args: string[]): Ended {
  return bouheki(...args, '--db', db);
}

/** Without the pre-flight: what the record has of the policy before would stop each. */
function apply(...args: string[]): Ended {
  return ask('apply', ...args, '--no-preflight');
}

before(startNetwork);
after(stopNetwork);

/** A server of this host, and who has come to it from elsewhere and types: the answer to each key is timed. */
const SERVER = `
import socket
with socket.create_server(("10.0.0.2", 2222)) as server:
    print("ready", flush=True)
    peer, _ = server.accept()
    while True:
        key = peer.recv(1)
        if not key:
            break
        peer.sendall(key)
`;
const TYPIST = `
import socket, sys, time
with socket.create_connection(("10.0.0.2", 2222)) as terminal:
    terminal.settimeout(10)
    while True:
        begun = time.monotonic()
        terminal.sendall(b"x")
        assert terminal.recv(1) == b"x"
        print(int((time.monotonic() - begun) * 1000), flush=True)
        time.sleep(0.05)
`;

/** Milliseconds that each key took to come back. */
class Typing {
  readonly delays: number[] = [];
  readonly #processes: ChildProcess[];

  private constructor(processes: ChildProcess[]) {
    this.#processes = processes;
    createInterface({ input: processes[1]!.stdout! }).on('line', (line) => this.delays.push(Number(line)));
  }

  static async start(): Promise<Typing> {
    const stdio = ['ignore', 'pipe', 'inherit'] as const;
    const server = spawn('python3', ['-I', '-S', '-c', SERVER], { stdio: [...stdio] });
    await once(server.stdout!, 'data');
    const away = ['netns', 'exec', 'servers', 'setpriv', '--reuid', String(USER), '--clear-groups'];
    const typist = spawn('ip', [...away, 'python3', '-I', '-S', '-c', TYPIST], { stdio: [...stdio] });
    return new Typing([server, typist]);
  }

  end(): void {
    for (const child of this.#processes) child.kill();
  }
}

/** Waits until one more attempt ends so: to start a program for one takes seconds in a machine under load. */
async function come(hammer: Hammer, result: string): Promise<void> {
  const count = (): number => hammer.results[result] ?? 0;
  const before = count();
  for (const deadline = performance.now() + 120_000; count() === before; await sleep(20))
    if (performance.now() > deadline) throw new Error(`no ${result}: ${JSON.stringify(hammer.results)}`);
}

test('deny-all that nobody confirms gives way after its time, and no session of before stalls', async () => {
  const hammer = new Hammer('10.0.1.1', 50);
  await come(hammer, 'reached');
  const typing = await Typing.start();
  const enforce = await Running.start('enforce', NOTHING, '--db', db, '--confirm-within', '20s');
  const begun = performance.now();
  try {
    await enforce.until(/^Unless `bouheki confirm` comes within \d+s, nothing is blocked any more\.$/m);
    const keys = typing.delays.length;
    await come(hammer, 'EPERM');
    const denied = hammer.results;
    await come(hammer, 'EPERM');
    assert.equal(hammer.results.reached, denied.reached, 'nothing is reached');
    await come(hammer, 'reached');
    const seconds = (performance.now() - begun) / 1000;
    assert.ok(seconds < 21, `it took ${seconds} s`);
    const typed = typing.delays.slice(keys);
    await enforce.until(
      /^Not confirmed in time: the policy \w{12} of .*nothing\.yaml is out of force; nothing is blocked any more, and what it would block is noted\.$/m,
    );
    assert.deepEqual(reached(), ['10.0.1.1', '10.0.1.2']);
    assert.ok(typed.length > 20, `${typed.length} keys`);
    assert.ok(Math.max(...typed) < 5000, `a key took ${Math.max(...typed)} ms`);
    // Rotating logs must not bring it back.
    const said = enforce.stderr.length;
    enforce.signal('SIGHUP');
    await enforce.until(/^SIGHUP: .*nothing\.yaml still is the policy that was rolled back; /m, said);
    assert.deepEqual(reached(), ['10.0.1.1', '10.0.1.2']);
    const again = ask('rollback');
    assert.equal(again.status, 2);
    assert.match(again.stderr, /^bouheki: there is nothing to go back to: /);
    const late = ask('confirm');
    assert.equal(late.status, 2);
    assert.match(late.stderr, /^bouheki: no policy waits for its confirmation\n/);
  } finally {
    await hammer.end();
    typing.end();
    const { status, stderr } = await enforce.end('SIGTERM');
    assert.equal(status, 0, stderr);
  }
});

async function saysThatItWaits(enforce: Running): Promise<void> {
  const said = enforce.stderr.length;
  enforce.signal('SIGHUP');
  await enforce.until(
    /^SIGHUP: a policy waits for its confirmation; its file is not read again before that is over\.$/m,
    said,
  );
  assert.match(
    ask('status').stdout,
    / blocking by \w+ since \S+, out of force at \S+Z unless `bouheki confirm` comes before/,
  );
}

function refusesBadFiles(): void {
  const bad = policy('bad.yaml', 'version: 2\nnetwork:\n  mode: blok\n  allow: []\n');
  const refused = apply(bad);
  assert.equal(refused.status, 2);
  assert.match(refused.stderr, /bad\.yaml:3:9: /);
  const missing = apply(join(place, 'none.yaml'));
  assert.equal(missing.status, 2);
  const open = policy('open.yaml', allowing('10.0.1.2'));
  chmodSync(open, 0o666);
  assert.equal(apply(open).status, 2);
  assert.deepEqual(reached(), ['10.0.1.1']);
}

/** What was in force already is not what it goes back to, whoever brings it again. */
async function goesBack(enforce: Running): Promise<void> {
  assert.equal(apply(TWO).status, 0);
  assert.deepEqual(reached(), ['10.0.1.2']);
  const said = enforce.stderr.length;
  enforce.signal('SIGHUP');
  await enforce.until(/^Blocking by .*two\.yaml/m, said);
  assert.equal(apply(TWO).status, 0);
  assert.equal(apply(TWO, '--confirm-within', '10m').status, 0);
  assert.match(ask('confirm').stdout, /^Confirmed: /);
  assert.equal(apply(TWO, '--confirm-within', '5s').status, 0);
  await enforce.until(/^Not confirmed in time: .*two\.yaml is in force again\.$/m, said);
  assert.deepEqual(reached(), ['10.0.1.2']);
  const back = ask('rollback');
  assert.equal(back.status, 0, back.stderr);
  assert.match(back.stdout, /^Rolled back: the policy \w{12} of .*two\.yaml is out of force; the policy /);
  assert.deepEqual(reached(), ['10.0.1.1']);
  assert.match(ask('rollback').stdout, /; nothing is blocked any more, and what it would block is noted\.$/m);
  assert.deepEqual(reached(), ['10.0.1.1', '10.0.1.2']);
}

suite('apply tries another policy, confirm keeps it, rollback brings the one before back', () => {
  let enforce: Running;

  before(async () => {
    enforce = await Running.start('enforce', ONE, '--no-preflight', '--db', db);
    assert.deepEqual(reached(), ['10.0.1.1']);
  });

  after(async () => {
    const { status, stderr } = await enforce.end('SIGTERM');
    assert.equal(status, 0, stderr);
    const alone = ask('confirm');
    assert.equal(alone.status, 2);
    assert.match(alone.stderr, /^bouheki: no `bouheki enforce` runs with /);
  });

  test('a file that is not valid changes nothing', refusesBadFiles);

  test('one that would block what was recorded is not put in force unasked', () => {
    const { status, stderr } = ask('apply', TWO);
    assert.equal(status, 1, stderr);
    assert.match(stderr, /^Pre-flight: stopped by history\./m);
    assert.deepEqual(reached(), ['10.0.1.1']);
  });

  test('until it is confirmed no other one comes, and then it stays', async () => {
    const applied = apply(TWO, '--confirm-within', '10m');
    assert.equal(applied.status, 0, applied.stderr);
    assert.match(
      applied.stdout,
      /^In force: the policy \w{12} of .*two\.yaml, in block mode\.\nUnless `bouheki confirm` comes within \w+, the policy \w{12} is in force again\.\n$/,
    );
    assert.deepEqual(reached(), ['10.0.1.2']);
    const second = apply(NOTHING);
    assert.equal(second.status, 2);
    assert.match(second.stderr, /^bouheki: the policy in force waits for its confirmation\n/);
    await saysThatItWaits(enforce);
    const confirmed = ask('confirm');
    assert.equal(
      confirmed.stdout.replace(/\w{12} of .*two/, 'X of two'),
      'Confirmed: the policy X of two.yaml stays in force.\n',
    );
    assert.deepEqual(reached(), ['10.0.1.2']);
  });

  test('one that is not confirmed gives way to the one before', async () => {
    const said = enforce.stderr.length;
    assert.equal(apply(ONE, '--confirm-within', '5s').status, 0);
    await enforce.until(/^Not confirmed in time: .*two\.yaml is in force again\.$/m, said);
    assert.deepEqual(reached(), ['10.0.1.2']);
  });

  test('SIGHUP reads the file that was applied', async () => {
    writeFileSync(TWO, `${allowing('10.0.1.1')}# changed\n`);
    const said = enforce.stderr.length;
    enforce.signal('SIGHUP');
    await enforce.until(/^Blocking by .*two\.yaml/m, said);
    assert.deepEqual(reached(), ['10.0.1.1']);
    writeFileSync(TWO, allowing('10.0.1.2'));
  });

  test('rollback goes one back, whatever was brought again, and once more to nothing that blocks', async () =>
    await goesBack(enforce));
});

/**
 * The programs are loaded and attached with CAP_NET_ADMIN, CAP_PERFMON and CAP_BPF; what /proc says of other users'
 * processes is read with CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE.
 */
const CAPABILITIES = '+dac_read_search,+net_admin,+sys_ptrace,+perfmon,+bpf';
const BITS = [2, 12, 19, 38, 39].reduce((bits, bit) => bits | (1n << BigInt(bit)), 0n);

/** Before Linux 5.11 maps take of the locked memory of a user, which is limited. */
const [major, minor] = kernelVersion();
const LIMITED = major === 5 && minor < 11;

/** What starts `enforce` as an ordinary user, to whom all files of before belong now. */
function asUser(memory: readonly string[]): string[] {
  assert.equal(run('chown', '-R', `${USER}:${USER}`, place).status, 0);
  const who = ['--reuid', String(USER), '--regid', String(USER), '--clear-groups'];
  const may = ['--inh-caps', '--ambient-caps', '--bounding-set'].flatMap((set) => [
    set,
    `-all,${CAPABILITIES}`,
  ]);
  return [...memory, 'setpriv', ...who, ...may];
}

async function startAsUser(): Promise<Running> {
  const command = asUser(LIMITED ? ['prlimit', '--memlock=unlimited'] : []);
  const started = Running.beginBy(command, 'enforce', ONE, '--no-preflight', '--db', db);
  await started.until(/^Blocking by /m);
  return started;
}

/** Where the user's limit is what it is by default. */
async function endsForMemory(): Promise<void> {
  const command = asUser(['prlimit', '--memlock=65536']);
  const refused = await Running.beginBy(command, 'enforce', ONE, '--no-preflight', '--db', db).end();
  assert.equal(refused.status, 2, refused.stderr);
  assert.match(refused.stderr, /^bouheki: memory for BPF maps: at most 64 KiB/m);
}

test('a daemon that is killed while its policy waits leaves nothing behind within 21 s', async () => {
  const words = ['--no-preflight', '--db', db, '--confirm-within', '20s'];
  const hammer = new Hammer('10.0.1.1', 50);
  await come(hammer, 'reached');
  const enforce = await Running.start('enforce', NOTHING, ...words);
  const begun = performance.now();
  try {
    await come(hammer, 'EPERM');
    await enforce.end('SIGKILL');
    await come(hammer, 'reached');
    const seconds = (performance.now() - begun) / 1000;
    assert.ok(seconds < 21, `it took ${seconds} s`);
  } finally {
    await hammer.end();
  }
  assert.deepEqual(programsLeft(), []);
  assert.ok(existsSync(`${db}.control`), 'its socket is left');
  const next = await Running.start('enforce', ONE, '--no-preflight', '--db', db);
  assert.match(ask('rollback').stdout, /^Rolled back: /);
  assert.equal((await next.end('SIGTERM')).status, 0);
});

test('an ordinary user with five capabilities enforces, with the record of the one before', async () => {
  if (LIMITED) await endsForMemory();
  const enforce = await startAsUser();
  const status = readFileSync(`/proc/${enforce.pid}/status`, 'utf8');
  assert.match(status, new RegExp(`^Uid:\\s${USER}\\s${USER}\\s`, 'm'));
  assert.equal(BigInt(`0x${/^CapEff:\s(\w+)$/m.exec(status)![1]!}`), BITS);
  assert.deepEqual(reached(), ['10.0.1.1']);
  const ended = await enforce.end('SIGTERM');
  assert.equal(ended.status, 0, ended.stderr);
});
