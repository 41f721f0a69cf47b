import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { readPolicyText, readTrustedPolicyText } from '../../../cli/option/policy-file.ts';

const MAIN = join(import.meta.dirname, '../../../bundle/main.js');
const folder = mkdtempSync(join(tmpdir(), 'bouheki-policy-'));
after(() => rmSync(folder, { recursive: true }));

const OLD = `network:
  mode: block # for real
  cidr: { deny: [192.0.2.0/24] }
  command: { allow: [wget] }
`;
const NEW = `version: 2
network:
  mode: block
  allow:
    - { name: local, to: [{ cidr: [loopback] }] }
    - { name: web, from: { exe: [/usr/bin/curl] }, to: [{ cidr: [10.0.0.0/24], port: [443], protocol: [tcp] }] }
`;

const file = (name: string, text: string | Uint8Array): string => {
  const path = join(folder, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
};

const bouheki = (args: string[], input?: string) => {
  const { stdout, stderr, status } = spawnSync(process.execPath, [MAIN, ...args], {
    encoding: 'utf8',
    input,
  });
  return { stdout, stderr, status };
};

test('check shows errors with their place and fails with 2', () => {
  const path = file('bad.yaml', 'version: 2\nnetwork: { alow: [] }\n');
  const { stdout, status } = bouheki(['check', path]);
  assert.match(stdout, /bad\.yaml:2:12: error: unknown key "alow" in network\n/);
  assert.equal(status, 2);
  const json = JSON.parse(bouheki(['check', '--json', path]).stdout);
  assert.equal(json.valid, false);
  assert.deepEqual([json.problems[0].line, json.problems[0].column], [2, 12]);
});

test('check counts rules as a person does, whatever destinations they have', () => {
  const many = NEW.replace('to: [{ cidr: [loopback] }]', 'to: [{ cidr: [loopback] }, { cidr: [10.9.0.1] }]');
  const { stderr } = bouheki(['check', file('many.yaml', many)]);
  assert.match(stderr, /many\.yaml: version 2, block mode, 2 rules: /);
});

test('check --upgrade writes version 2, whose meaning diff finds to be the same', () => {
  const old = file('old.yaml', OLD);
  const { stdout, stderr, status } = bouheki(['check', '--upgrade', old]);
  assert.equal(status, 0, stderr);
  assert.match(stdout, /^version: 2\n/);
  assert.match(stdout, /# for real/);
  assert.match(stderr, /denies nothing to command wget/);
  const difference = bouheki(['diff', old, file('upgraded.yaml', stdout)]);
  assert.deepEqual([difference.stdout, difference.status], ['', 0]);
});

test('diff says what is gained and lost, and --widening-only only what is gained', () => {
  const before = file('before.yaml', NEW);
  const wider = file('wider.yaml', NEW.replace('[443]', '[443, 80]'));
  assert.deepEqual(bouheki(['diff', before, wider]), {
    stdout: '+ exe /usr/bin/curl -> 10.0.0.0/24 port 80 protocol tcp\n',
    stderr: '1 gained (+), 0 lost (-) from the first policy to the second.\n',
    status: 1,
  });
  assert.equal(bouheki(['diff', '--widening-only', before, wider]).status, 1);
  const { stdout, status } = bouheki(['diff', '--widening-only', wider, before]);
  assert.deepEqual([stdout, status], ['', 0]);
  const { gained, lost, widens } = JSON.parse(bouheki(['diff', '--json', wider, before]).stdout);
  assert.deepEqual([gained.length, lost.length, widens], [0, 1, false]);
});

test('explain says verdict and rule, or what comes nearest, and reads standard input', () => {
  const allowed = bouheki(
    ['explain', '-', '--to', '10.0.0.1:443/tcp', '--exe', '/usr/bin/curl', '--json'],
    NEW,
  );
  assert.equal(allowed.status, 0);
  const { place, rule, verdict } = JSON.parse(allowed.stdout);
  assert.deepEqual([verdict, rule, place.line], ['allow', 'web', 6]);
  const denied = bouheki(['explain', '-', '--to', '10.0.0.1:80', '--exe', '/usr/bin/curl'], NEW);
  assert.equal(denied.status, 1);
  assert.equal(
    denied.stdout,
    'deny: no allow rule matches\nnearest: "web" (-:6:57), but not its port\nfix: add 80 to port of rule "web"\n',
  );
  assert.equal(bouheki(['explain', '-', '--to', 'example.com:80'], NEW).status, 2);
});

test('explain takes each of the ids of a process, which are the same unless it is told', () => {
  const setuid = NEW.replace('exe: [/usr/bin/curl]', 'uid: [0, 1000], gid: [100]');
  const status = (...ids: string[]) =>
    bouheki(['explain', '-', '--to', '10.0.0.1:443', '--gid', '100', ...ids], setuid).status;
  assert.equal(status('--uid', '1000'), 0);
  assert.equal(status('--uid', '1000', '--euid', '0'), 0);
  assert.equal(status('--uid', '1000', '--euid', '0', '--fsuid', '33'), 1);
  assert.equal(status('--uid', '1000', '--egid', '33'), 1);
  assert.equal(status('--uid', '1000', '--fsgid', '33'), 1);
  const ids = ['--uid', '1000', '--euid', '0', '--fsuid', '33'];
  const { stdout } = bouheki(['explain', '-', '--to', '10.0.0.1:443', '--gid', '100', ...ids], setuid);
  assert.match(stdout, /fix: add 1000, 0, 33 to uid of rule "web"/);
});

test('schema prints JSON', () => {
  assert.equal(JSON.parse(bouheki(['schema']).stdout).title, 'bouheki policy');
});

test('a policy that is no UTF-8, no file or too large is not read', () => {
  assert.throws(
    () => readPolicyText(file('latin1.yaml', Uint8Array.of(0x61, 0xe4))),
    /cannot read the policy/,
  );
  assert.throws(() => readPolicyText(folder), /cannot read the policy/);
  assert.throws(
    () => readPolicyText(file('large.yaml', Buffer.alloc(17 * 1024 * 1024))),
    /cannot read the policy/,
  );
});

test('a policy that others could change is not trusted', () => {
  const path = file('trusted.yaml', NEW);
  readTrustedPolicyText(path);
  for (const mode of [0o620, 0o602, 0o1602]) {
    chmodSync(path, mode);
    assert.throws(() => readTrustedPolicyText(path), /can be changed by users other than root/);
  }
  readPolicyText(path);
  chmodSync(path, 0o600);
  chmodSync(folder, 0o777);
  assert.throws(() => readTrustedPolicyText(path), /can be changed by users other than root/);
  chmodSync(folder, 0o1777);
  readTrustedPolicyText(path);
});

test('a file in another encoding is named as such, with the way out', () => {
  const text = NEW.replace('local', 'größe');
  const wide = Buffer.from(`\ufeff${text}`, 'utf16le');
  const cases: [string, Uint8Array, RegExp][] = [
    ['utf16.yaml', wide, /it is UTF-16, not UTF-8.*\n.*iconv -f UTF-16/],
    ['swapped.yaml', Buffer.from(wide).swap16(), /it is UTF-16/],
    ['bare.yaml', Buffer.from(text, 'utf16le'), /it is UTF-16/],
    ['latin1.yaml', Buffer.from(text, 'latin1'), /line 5 is not UTF-8.*\n.*iconv -f LATIN1/],
  ];
  for (const [name, bytes, says] of cases) {
    const { status, stderr } = bouheki(['check', file(name, bytes)]);
    assert.equal(status, 2);
    assert.match(stderr, says);
  }
});
