/** A process record has the processes that its image descends from, also when they have gone. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Egress } from '../../bpf/egress.ts';
import { RecordKind, SideFlag } from '../../bpf/wire.ts';
import { withExecutable } from '../../profiler/identity/ancestor.ts';
import { type AncestorRecord, decodeProcess, type ProcessRecord } from '../../profiler/event/decode.ts';
import { primeIdentities } from '../../profiler/identity/prime.ts';
import { readProcessStat } from '../../host/process-stat.ts';
import { testedAttachment } from './attachment.ts';

const folder = mkdtempSync('/tmp/ancestor-');
const client = join(folder, 'client');
const PYTHON = realpathSync('/usr/bin/python3');
const SHELL = realpathSync('/bin/sh');
/** What a shell that connects by itself says, in a child that executes nothing. */
const CONNECT = '(: >/dev/udp/203.0.113.9/9) 2>/dev/null';

let egress: Egress;
/** bash, which ran before the kernel side was there, and the shell that started it and waits for it. */
let older: ReturnType<typeof spawn>;

before(async () => {
  copyFileSync(join(import.meta.dirname, 'identity/attempt'), client);
  older = spawn('sh', ['-c', `bash -c 'echo $$; read -r go; ${CONNECT}; ${client}; read -r go'; :`], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(older.stdout!, 'data');
  egress = Egress.load(testedAttachment());
  primeIdentities(egress);
  egress.flip(SideFlag.record);
});
after(() => {
  older.kill();
  egress[Symbol.dispose]();
});

/** Of commands that no test has asked for yet. */
let waiting: ProcessRecord[] = [];

/** The process records of this command since they were taken last. */
function takeProcesses(command: string): ProcessRecord[] {
  for (const ring of [egress.connections, egress.denials]) {
    ring.drain((at) => {
      if (ring.bytes[at] === RecordKind.process) waiting.push(decodeProcess(ring, at));
    });
  }
  const found = waiting.filter((process) => process.command === command);
  waiting = waiting.filter((process) => process.command !== command);
  return found;
}

async function soonest(command: string): Promise<ProcessRecord> {
  const deadline = Date.now() + 60_000;
  while (Date.now() < deadline) {
    const [found] = takeProcesses(command);
    if (found) return found;
    await sleep(20);
  }
  throw new Error(`no record of ${command}`);
}

function run(...words: string[]): void {
  const { error, status, stderr } = spawnSync(words[0]!, words.slice(1), { cwd: folder, encoding: 'utf8' });
  assert(!error && status === 0, `${words.join(' ')}: ${error?.message ?? stderr}`);
}

const names = (ancestors: readonly AncestorRecord[]) => ancestors.map(({ command }) => command);
const paths = (ancestors: readonly AncestorRecord[]) => ancestors.map(withExecutable).map(({ path }) => path);

/** Starts the client and waits for it. */
const BY_PYTHON = `import subprocess; subprocess.run(["${client}"])`;

test('a client that python started, which a shell started', () => {
  run('sh', '-c', `python3 -c '${BY_PYTHON}'; :`);
  const [found, ...more] = takeProcesses('client');
  assert(found && more.length === 0);
  assert.deepEqual(names(found.ancestors), ['python3', 'sh', 'node']);
  assert.deepEqual(paths(found.ancestors), [PYTHON, SHELL, process.execPath]);
  const [python, shell, node] = found.ancestors;
  assert.equal(python!.pid, found.parentPid);
  assert.equal(node!.pid, process.pid);
  // In the order in which they started: each of the ancestors is older.
  assert(
    found.started > python!.started && python!.started > shell!.started && shell!.started > node!.started,
  );
  assert(!python!.primed && !shell!.primed);
  assert.equal(node!.primed, egress.canPrime);
  const exact = readProcessStat('/proc/self')!.started;
  assert(node!.started - exact >= 0n && node!.started - exact < 10_000_000n, `${node!.started} ${exact}`);
});

test('what is executed in the place of a program has the ancestors of that', () => {
  run('sh', '-c', `exec python3 -c 'import os; os.execl("${client}", "client")'`);
  const [found] = takeProcesses('client');
  assert.equal(found!.ancestors[0]!.pid, process.pid);
  assert.equal(found!.ancestors[0]!.command, 'node');
});

/** Forks twice, both parents end, and the grandchild executes or connects when none is left. */
const daemon = (last: string) => `
import os, socket, time
def orphan(parent):
    if os.fork(): os._exit(0)
    while os.getppid() == parent: time.sleep(0.01)
first = os.getpid()
if os.fork(): os._exit(0)
while os.getppid() == first: time.sleep(0.01)
orphan(os.getpid())
${last}
`;

test('the ancestors of a daemon are reported when both its parents have ended before it executes', async () => {
  run('sh', '-c', `python3 -c '${daemon(`os.execl("${client}", "client")`)}'; :`);
  const { ancestors, parentCommand } = await soonest('client');
  assert.notEqual(parentCommand, 'python3');
  assert.deepEqual(names(ancestors), ['python3', 'sh', 'node']);
  assert.deepEqual(paths(ancestors), [PYTHON, SHELL, process.execPath]);
});

test('the ancestors of a daemon are reported when both its parents have ended before it connects', async () => {
  const connect = 'socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect_ex(("203.0.113.9", 9))';
  run('sh', '-c', `python3 -c '${daemon(connect)}'; :`);
  const { ancestors, parentCommand } = await soonest('python3');
  assert.notEqual(parentCommand, 'python3');
  assert.deepEqual(names(ancestors).slice(0, 2), ['sh', 'node']);
  assert.deepEqual(paths(ancestors).slice(0, 2), [SHELL, process.execPath]);
});

test('a child that executes nothing has the ancestors of the program that it shares', () => {
  run('sh', '-c', `${client} fork; :`);
  const [found] = takeProcesses('client');
  assert.equal(found!.parentCommand, 'client');
  assert.deepEqual(names(found!.ancestors).slice(0, 2), ['sh', 'node']);
});

test('what a thread executes has the ancestors that the kernel knows', () => {
  run('sh', '-c', `${client} exec-in-thread; :`);
  const [found] = takeProcesses('client');
  assert.deepEqual(names(found!.ancestors).slice(0, 2), ['sh', 'node']);
  assert.deepEqual(paths(found!.ancestors).slice(0, 2), [SHELL, process.execPath]);
});

test('a path that is too long for the record is asked for, and not reported of another process', () => {
  const long = join(folder, 'x'.repeat(120));
  copyFileSync(PYTHON, long);
  run('sh', '-c', `${long} -c '${BY_PYTHON}'; :`);
  const [{ ancestors } = { ancestors: [] }] = takeProcesses('client');
  assert.deepEqual(names(ancestors).slice(1), ['sh', 'node']);
  assert.equal(ancestors[0]!.path, '');
  assert.equal(withExecutable(ancestors[0]!).path, '');
  const own = { ...ancestors[2]!, path: '' };
  assert.equal(withExecutable(own).path, process.execPath);
  assert.equal(withExecutable({ ...own, started: own.started + 10_000_000n }).path, '');
  assert.equal(withExecutable({ ...own, command: 'sh' }).path, '');
});

test('a process that ran before has the ancestors that /proc shows, and so has what it starts', async () => {
  older.stdin!.write('go\n');
  const bash = await soonest('bash');
  assert.deepEqual(names(bash.ancestors).slice(0, 2), egress.canPrime ? ['sh', 'node'] : ['bash', 'sh']);
  const found = await soonest('client');
  assert.deepEqual(names(found.ancestors), ['bash', 'sh', 'node']);
  assert.deepEqual(paths(found.ancestors), [realpathSync('/bin/bash'), SHELL, process.execPath]);
  assert.deepEqual(
    found.ancestors.map(({ primed }) => primed),
    Array(3).fill(egress.canPrime),
  );
  assert.deepEqual([found.ancestors[1]!.pid, found.ancestors[2]!.pid], [older.pid, process.pid]);
});
