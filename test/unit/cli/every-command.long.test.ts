/**
 * What all commands have in common: help, bad flags, missing things, output that nobody takes, no terminal, no rights.
 * Each is run with arguments that get it to its end on a small record, or as far as it comes where nothing enforces.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { FLOW_ROWS } from './fixture.ts';

const MAIN = join(import.meta.dirname, '../../../bundle/main.js');
const place = mkdtempSync(join(tmpdir(), 'bouheki-test-'));
const DB = join(place, 'record.duckdb');
const POLICY = join(place, 'policy.yaml');
const OTHER = join(place, 'other.yaml');
const MONITORED = join(place, 'monitored.yaml');
const ROWS = join(place, 'rows.csv');
const MISSING = join(place, 'missing');

interface Use {
  /** That get it to its end. */
  args: readonly string[];
  /** What it ends with then. */
  status: 0 | 1 | 2;
  /** It prints nothing on standard output then. */
  silent?: true;
  /** Its first argument is the file of a policy. */
  policy?: true;
  /** It reads a record. */
  record?: true;
  /** It is for root alone. */
  root?: true;
  /** It loads the kernel side, which is not for this machine: only what comes before that is tried. */
  kernel?: true;
}

const USES: Record<string, Use> = {
  learn: { args: [], status: 0, root: true, kernel: true },
  generate: { args: [], status: 0, record: true },
  enforce: { args: [POLICY], status: 0, policy: true, root: true, kernel: true },
  run: { args: ['--', 'true'], status: 0, root: true, kernel: true },
  apply: { args: [POLICY, '--no-preflight'], status: 2, silent: true },
  confirm: { args: [], status: 2, silent: true },
  rollback: { args: [], status: 2, silent: true },
  pause: { args: ['--for', '1m'], status: 2, silent: true },
  resume: { args: [], status: 2, silent: true },
  rearm: { args: [], status: 2, silent: true },
  close: { args: [POLICY], status: 0, policy: true, kernel: true },
  detach: { args: [], status: 0, kernel: true },
  watch: { args: [], status: 2, silent: true },
  top: { args: [], status: 2, silent: true },
  report: { args: [], status: 0, record: true },
  // It would last: where it is to listen there can be no socket.
  ui: {
    args: [POLICY, '--socket', join(MISSING, 'ui')],
    status: 2,
    silent: true,
    policy: true,
    record: true,
  },
  drift: { args: [POLICY], status: 1, policy: true, record: true },
  simulate: { args: [POLICY], status: 1, policy: true, record: true },
  ladder: { args: [MONITORED], status: 0, policy: true, record: true },
  check: { args: [POLICY], status: 1, policy: true },
  diff: { args: [POLICY, OTHER], status: 1, policy: true },
  'export-policy': { args: [POLICY, '--to', 'nftables'], status: 0, policy: true },
  explain: { args: [POLICY, '--to', '10.0.0.1:443/tcp', '--uid', '0'], status: 1, policy: true },
  review: { args: [POLICY, '--json'], status: 0, policy: true },
  schema: { args: [], status: 0 },
  import: { args: [ROWS], status: 0, silent: true },
  export: { args: [], status: 0, record: true },
  query: { args: ['SELECT 1 AS one'], status: 0, record: true },
  status: { args: [], status: 0, record: true },
  completion: { args: ['bash'], status: 0 },
  man: { args: [], status: 0 },
  version: { args: [], status: 0 },
  // Where there is no hub, and no host has joined one.
  hub: { args: ['token', '--dir', MISSING, '--store', 'postgres://127.0.0.1:1/x'], status: 2, silent: true },
  join: { args: ['--token', 'none', '--dir', MISSING], status: 2, silent: true },
  leave: { args: ['--dir', MISSING], status: 2, silent: true },
  fleet: { args: ['status', '--operator', MISSING], status: 2, silent: true },
  doctor: { args: [], status: 0, kernel: true },
};

/** Of an operator, without a directory of one. */
const operator = (...args: string[]): Use => ({
  args: [...args, '--operator', MISSING],
  status: 2,
  silent: true,
});

/** Of those commands that have commands of their own. */
const PARTS: Record<string, Use> = {
  'hub init': { args: ['--name', 'no name', '--dir', MISSING], status: 2, silent: true },
  'hub token': { args: ['--dir', MISSING, '--demo', MISSING], status: 2, silent: true },
  'hub operator': { args: ['anna', '--dir', MISSING], status: 2, silent: true },
  'hub run': { args: ['--dir', MISSING], status: 2, silent: true },
  'hub rotate': { args: ['--begin', '--dir', MISSING], status: 2, silent: true },
  'fleet status': operator(),
  'fleet drift': operator('--workload', 'web'),
  'fleet hosts': operator(),
  'fleet workload': operator('list'),
  'fleet publish': { ...operator(POLICY, '--workload', 'web', '--key', MISSING), policy: true },
  'fleet rollout': operator('status', 'web'),
  'fleet quarantine': operator('h1'),
  'fleet restore': operator('h1'),
  'fleet revoke': operator('h1'),
  'fleet audit': operator(),
  'fleet export': operator(),
  'fleet query': operator('SELECT 1 AS one'),
  'fleet author-key': { args: [join(MISSING, 'key')], status: 2, silent: true },
};

const all = Object.entries({ ...USES, ...PARTS });
const runnable = all.filter(([, { kernel }]) => kernel !== true);
const printing = runnable.filter(([, { silent }]) => silent !== true);

interface Outcome {
  status: number | null;
  stdout: string;
  stderr: string;
}

function bouheki(...args: string[]): Outcome {
  return spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8', env: environment() });
}

let imports = 0;

/** With a record of its own for those that change it. */
function environment(name?: string): NodeJS.ProcessEnv {
  // An import of the same rows is refused.
  const own = join(place, `imported-${(imports += 1)}.duckdb`);
  return { ...process.env, BOUHEKI_DB: name === 'import' ? own : DB };
}

/** By a shell, which sets up the descriptors: `"$@"` is the command. */
function inShell(script: string, name: string, ...args: readonly string[]): Outcome {
  const words = [process.execPath, MAIN, ...name.split(' '), ...args];
  return spawnSync('bash', ['-c', script, 'bash', ...words], { encoding: 'utf8', env: environment(name) });
}

/** No fault of the program itself, and nothing that only a terminal understands. */
function assertOrderly(name: string, { stderr, stdout }: Outcome): void {
  assert.doesNotMatch(stderr, /^ {4}at |UnhandledPromise|node:internal|EPIPE/m, `${name}: ${stderr}`);
  assert.equal((stdout + stderr).includes('\u001B'), false, `${name} prints control sequences`);
}

before(() => {
  writeFileSync(ROWS, FLOW_ROWS);
  const rules = '    - { name: web, from: { exe: [/usr/bin/curl] }, to: [{ cidr: [10.9.0.0/16] }] }\n';
  writeFileSync(POLICY, `version: 2\nnetwork:\n  mode: block\n  allow:\n${rules}`, { mode: 0o600 });
  writeFileSync(MONITORED, `version: 2\nnetwork:\n  mode: monitor\n  allow:\n${rules}`, { mode: 0o600 });
  writeFileSync(OTHER, 'version: 2\nnetwork: { mode: block, allow: [] }\n', { mode: 0o600 });
  const { status, stderr } = bouheki('import', ROWS);
  assert.equal(status, 0, stderr);
});
after(() => rmSync(place, { recursive: true, force: true }));

/** The commands that a help lists. */
function listed(...words: string[]): string[] {
  const { stdout } = bouheki(...words, '--help');
  const [, list] = stdout.split(/^Commands:$/m);
  const lines = (list ?? stdout).matchAll(/^ {2}([a-z][a-z-]+)(?: \[\w+\]| <\w+>)*(?: {2,}[A-Z]|$)/gm);
  return [...lines].map(([, name]) => name!).filter((name) => name !== 'help');
}

test('the table has every command', () => {
  const parts = ['hub', 'fleet'].flatMap((name) => listed(name).map((part) => `${name} ${part}`));
  assert.ok(parts.length > 10, `${parts}`);
  assert.deepEqual(all.map(([name]) => name).toSorted(), [...listed(), ...parts].toSorted());
});

suite('every command', () => {
  for (const [name, { args }] of all) {
    test(`${name} --help prints its help, and an unknown option is refused`, () => {
      const words = name.split(' ');
      const help = bouheki(...words, '--help');
      assert.deepEqual([help.status, help.stderr], [0, '']);
      assert.match(help.stdout, new RegExp(`^Usage: bouheki ${name}\\b`));
      const refused = bouheki(...words, '--frobnicate', ...args);
      assert.deepEqual([refused.status, refused.stdout], [2, '']);
      assert.match(
        refused.stderr,
        /^bouheki: unknown option '--frobnicate'\n {2}see `bouheki [a-z -]+ --help`\n$/,
      );
    });
  }
});

suite('a command that reads a record', () => {
  for (const [name, { args }] of all.filter(([, { record }]) => record)) {
    test(`${name} says where there is none, and what to do`, () => {
      const outcome = bouheki(...name.split(' '), ...args, '--db', `${MISSING}.duckdb`);
      assert.deepEqual([outcome.status, outcome.stdout], [2, '']);
      assert.match(outcome.stderr, /^bouheki: there is no database at .*missing\.duckdb\n {2}[A-Zn].*\S\n/);
      assert.equal(existsSync(`${MISSING}.duckdb`), false, 'none is made');
    });
  }
});

suite('a command that reads a policy', () => {
  for (const [name, { args }] of all.filter(([, { policy }]) => policy)) {
    test(`${name} names the file that is missing`, () => {
      const outcome = bouheki(...name.split(' '), MISSING, ...args.slice(1));
      assert.deepEqual([outcome.status, outcome.stdout], [2, ''], outcome.stderr);
      assert.match(outcome.stderr, /^bouheki: cannot read the policy .*missing\n {2}\S/);
    });
  }
});

suite('a command for root', () => {
  for (const [name, { args }] of all.filter(([, { root }]) => root)) {
    test(`${name} says so to others`, (t) => {
      if (spawnSync('unshare', ['--user', 'true']).status !== 0) {
        t.skip('no namespace of users can be made here');
        return;
      }
      // The owner of the files, as nobody and without capabilities.
      const outcome = inShell('exec unshare --user "$@"', name, ...args);
      assert.deepEqual([outcome.status, outcome.stdout], [name === 'run' ? 125 : 2, ''], outcome.stderr);
      assert.match(outcome.stderr, /^bouheki: .*\n {2}.*(?:root|sudo)/m);
      assertOrderly(name, outcome);
    });
  }
});

suite('a command without a terminal', () => {
  for (const [name, { args, silent, status }] of runnable) {
    test(`${name} ends with its status, plain text on each side`, () => {
      const outcome = inShell('exec "$@"', name, ...args);
      assert.equal(outcome.status, status, outcome.stderr);
      assert.equal(outcome.stdout === '', silent === true, outcome.stdout);
      assertOrderly(name, outcome);
    });
  }
});

suite('a command whose output is not taken', () => {
  for (const [name, { args, status }] of printing) {
    test(`${name} ends in order when its reader has gone`, () => {
      const outcome = inShell('{ "$@"; echo "status $?" >&2; } | true', name, ...args);
      // What it has to say at the end is what nobody waited for.
      assert.match(outcome.stderr, new RegExp(`^status [0${status}]$`, 'm'));
      assertOrderly(name, outcome);
    });
    test(`${name} says that there was no room for it`, () => {
      const outcome = inShell('exec "$@" >/dev/full', name, ...args);
      assert.equal(outcome.status, 2, outcome.stderr);
      assert.match(outcome.stderr, /no space left|disk is full|ENOSPC/i);
      assertOrderly(name, outcome);
    });
  }
});

suite('a command whose messages nobody takes', () => {
  for (const [name, { args, status }] of runnable) {
    test(`${name} does its work all the same`, () => {
      const heard = inShell('exec "$@" 2>/dev/null', name, ...args);
      for (const way of ['2>&-', '2>/dev/full']) {
        const outcome = inShell(`exec "$@" ${way}`, name, ...args);
        assert.equal(outcome.status, status, `${way}: ${outcome.stderr}`);
        assert.equal(outcome.stdout.length > 0, heard.stdout.length > 0, way);
      }
    });
  }
});

suite('a command that is interrupted', () => {
  for (const [name, { args }] of runnable) {
    test(`${name} ends at once, by the signal or in order`, async () => {
      const child = spawn(process.execPath, [MAIN, ...name.split(' '), ...args], {
        env: environment(name),
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      let stderr = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
      setTimeout(() => child.kill('SIGINT'), 60 + 20 * (name.length % 5));
      const [status, signal] = (await once(child, 'exit')) as [number | null, string | null];
      assert.ok(
        signal === 'SIGINT' || [0, 1, 2, 130].includes(status!),
        `${name}: ${status} ${signal} ${stderr}`,
      );
      assertOrderly(name, { status, stderr, stdout: '' });
    });
  }
});
