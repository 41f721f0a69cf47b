/** What stands in the way is said in one sentence, with what to do about it, before anything has changed. */
import assert from 'node:assert/strict';
import { chmodSync, chownSync, existsSync, readdirSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, test } from 'node:test';
import { BOUHEKI, bouheki } from './bouheki.ts';
import { type Ended, folder, programsLeft, run, succeeded, USER } from './guest.ts';

let place: string;
let db: string;

beforeEach(() => {
  place = folder();
  chmodSync(place, 0o700);
  db = join(place, 'record.duckdb');
});

/** Asserts what every refusal has in common. */
function assertRefused({ status, stdout, stderr }: Ended, sentence: RegExp, remedy: RegExp): void {
  // A log is opened when the pre-flight has said what it found.
  const [first, second] = stderr.slice(stderr.search(/^bouheki: /m)).split('\n');
  assert.match(first!, sentence);
  assert.match(second!, remedy);
  assert.equal(status, 2);
  assert.equal(stdout, '');
  assert.doesNotMatch(stderr, /bug in bouheki|^ +at /m);
  assert.deepEqual(programsLeft(), []);
  assert.equal(existsSync(db), false, 'no database is made');
  assert.deepEqual(
    readdirSync(place).filter((name) => name.startsWith('record.duckdb')),
    [],
  );
}

function policyFile(text: string, mode = 0o600): string {
  const file = join(place, 'policy.yaml');
  writeFileSync(file, text);
  chmodSync(file, mode);
  return file;
}

const AS_ROOT = /^ {2}run it as root, for instance with sudo$/;

test('a user who is not root is told which capabilities are missing', () => {
  chownSync(place, USER, USER);
  // What lets it read its own program, wherever that is.
  const reading = ['--inh-caps', '+dac_read_search', '--ambient-caps', '+dac_read_search'];
  const who = ['setpriv', '--reuid', String(USER), '--regid', String(USER), '--clear-groups', ...reading];
  assertRefused(
    run(...who, ...BOUHEKI, 'learn', '--duration', '1s', '--db', db),
    /^bouheki: capabilities to load BPF programs: CAP_BPF and CAP_PERFMON not held$/,
    AS_ROOT,
  );
});

test('a root without one capability is told which', () => {
  const policy = policyFile('network:\n  mode: block\n');
  assertRefused(
    run('setpriv', '--bounding-set=-sys_admin,-bpf', ...BOUHEKI, 'enforce', policy, '--db', db),
    /^bouheki: capabilities to load BPF programs: CAP_BPF not held$/,
    AS_ROOT,
  );
});

test('a machine without libbpf is told which package has it', () => {
  const library = /=> (\S*\/libbpf\.so\.1)$/m.exec(succeeded(run('ldconfig', '-p')).stdout)?.[1];
  const empty = join(place, 'empty');
  writeFileSync(empty, '');
  // Hidden from this one process.
  const script = 'mount --bind "$1" "$2" && shift 2 && exec "$@"';
  const hidden = ['unshare', '-m', 'sh', '-c', script, 'sh', empty, realpathSync(library!)];
  assertRefused(
    run(...hidden, ...BOUHEKI, 'learn', '--duration', '1s', '--db', db),
    /^bouheki: libbpf 1\.0 or later: cannot load libbpf\.so\.1$/,
    /^ {2}install it, on Debian and Ubuntu: apt install libbpf1$/,
  );
});

test('a policy that is not there is named', () => {
  const policy = join(place, 'none.yaml');
  assertRefused(
    bouheki('enforce', policy, '--db', db),
    new RegExp(`^bouheki: cannot read the policy ${policy}$`),
    /^ {2}name a policy file that exists and that you may read$/,
  );
});

test('every fault of an invalid policy is shown with its line and column', () => {
  const policy = policyFile('network:\n  mode: blok\n  target: hots\n');
  const ended = bouheki('--db', db, '--config', policy);
  assertRefused(
    ended,
    new RegExp(`^bouheki: ${policy} is no valid policy \\(2 errors\\)$`),
    new RegExp(`^${policy}:2:9: `),
  );
  assert.match(ended.stderr, /^ *mode: blok\n {8,}\^/m);
  assert.match(ended.stderr, new RegExp(`^${policy}:3:11: `, 'm'));
});

test('a policy that others can write is not put in force', () => {
  const policy = policyFile('network:\n  mode: block\n', 0o666);
  assertRefused(
    bouheki('enforce', policy, '--db', db),
    new RegExp(
      `^bouheki: ${policy} can be changed by users other than root: it can be written by every user$`,
    ),
    new RegExp(
      `^ {2}Use /etc/bouheki or .*, or make sure of what is there and run: chmod go-w ${policy}\\.$`,
    ),
  );
});

test('a log that cannot be opened is named', () => {
  const policy = policyFile(`network:\n  mode: block\nlog:\n  output: ${place}/none/denied.log\n`);
  assertRefused(
    bouheki('enforce', policy, '--db', db),
    new RegExp(`^bouheki: cannot open the log ${place}/none/denied\\.log$`),
    /^ {2}name a file in a folder that exists as log\.output/,
  );
});
