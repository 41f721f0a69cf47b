import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

const MAIN = join(import.meta.dirname, '../../../../bundle/main.js');
const place = mkdtempSync(join(tmpdir(), 'bouheki-config-'));
const config = join(place, 'config.yaml');
after(() => rmSync(place, { recursive: true }));

/** Runs a command on a host that has this configuration. */
function bouheki(text: string, args: readonly string[], environment: Record<string, string> = {}) {
  writeFileSync(config, text, { mode: 0o600 });
  const { BOUHEKI_DB: _, ...env } = process.env;
  return spawnSync(process.execPath, [MAIN, ...args], {
    encoding: 'utf8',
    env: { ...env, BOUHEKI_CONFIG: config, ...environment },
  });
}

const QUERY = ['query', 'SELECT 1'];

test('an option of all commands counts for each, unless the command has its own', () => {
  assert.match(bouheki('db: /nowhere/a\n', QUERY).stderr, /no database at \/nowhere\/a$/m);
  const both = 'db: /nowhere/a\nquery: { db: /nowhere/b }\n';
  assert.match(bouheki(both, QUERY).stderr, /no database at \/nowhere\/b$/m);
  assert.match(bouheki(both, ['status']).stderr, /\/nowhere\/a$/m);
});

test('the command line and the environment win', () => {
  const text = 'db: /nowhere/a\n';
  for (const args of [
    [...QUERY, '--db', '/nowhere/c'],
    ['--db', '/nowhere/c', ...QUERY],
  ])
    assert.match(
      bouheki(text, args, { BOUHEKI_DB: '/nowhere/d' }).stderr,
      /no database at \/nowhere\/c$/m,
      args.join(' '),
    );
  assert.match(bouheki(text, QUERY, { BOUHEKI_DB: '/nowhere/d' }).stderr, /no database at \/nowhere\/d$/m);
});

test('flags, options that must be given, and lists are set as the command line sets them', () => {
  assert.match(bouheki('schema: { markdown: true }\n', ['schema']).stdout, /^# /);
  assert.match(bouheki('schema: { markdown: false }\n', ['schema']).stdout, /^\{/);
  const policy = join(place, 'policy.yaml');
  writeFileSync(policy, 'version: 2\nnetwork: { mode: block, allow: [{ to: [{ cidr: [10.0.0.1] }] }] }\n');
  const { stderr, stdout } = bouheki('export-policy:\n  to: nftables\n', ['export-policy', policy]);
  assert.match(stdout, /10\.0\.0\.1/, stderr);
  // Allowed by the second name alone.
  const named = join(place, 'named.yaml');
  const to = '{ name: [b.example], cidr: [10.0.0.9], port: [443] }';
  writeFileSync(named, `version: 2\nnetwork: { mode: block, allow: [{ to: [${to}] }] }\n`);
  const ask = ['explain', named, '--to', '10.0.0.9:443/tcp'];
  assert.equal(bouheki('explain: { name: [a.example] }\n', ask).status, 1);
  assert.equal(bouheki('explain: { name: [a.example, b.example] }\n', ask).status, 0);
});

const FAULTS: [text: string, args: string[], said: RegExp][] = [
  [
    'db: /a\nlern: { duration: 1h }\n',
    QUERY,
    /config\.yaml:2:1: error: unknown option or command "lern"[^]*mean learn\?/,
  ],
  ['query:\n  jsno: true\n', QUERY, /config\.yaml:2:3: error: unknown option of query "jsno"[^]*mean json\?/],
  ['query:\n  json: yes\n', QUERY, /config\.yaml:2:9: error: json: It must be true or false\./],
  ['learn:\n  duration: never\n', ['learn'], /config\.yaml:2:13: error: duration: It must be /],
  [
    'learn:\n  target: all\n',
    ['learn'],
    /config\.yaml:2:11: error: target: Allowed choices are host, container\./,
  ],
  [
    'learn:\n  duration: {}\n',
    ['learn'],
    /config\.yaml:2:13: error: duration: It must be a text or a number\./,
  ],
  ['learn: 24h\n', ['learn'], /config\.yaml:1:8: error: learn needs a map of its options/],
  ['- learn\n', ['learn'], /config\.yaml:1:1: error: a map of options and commands is expected/],
  ['config: policy.yaml\n', QUERY, /config\.yaml:1:1: error: unknown option or command "config"/],
  ['db: "\n', QUERY, /config\.yaml:\d+:\d+: error: /],
];

for (const [text, args, said] of FAULTS) {
  test(`${JSON.stringify(text)} is refused with its line`, () => {
    const { status, stderr, stdout } = bouheki(text, args);
    assert.match(stderr, said);
    assert.equal(stdout, '');
    assert.equal(status, 2);
  });
}

function fleetStatus(section: string) {
  return bouheki(`fleet: ${section}\n`, ['fleet', 'status']);
}

test('a command below another has a section of its own', () => {
  assert.match(fleetStatus('{ status: { operator: /nowhere/op } }').stderr, /\/nowhere\/op/);
  const { status, stderr } = fleetStatus('{ status: { operater: /nowhere/op } }');
  assert.equal(status, 2);
  assert.match(stderr, /config\.yaml:1:20: error: unknown option of fleet status "operater"/);
  assert.match(stderr, /did you mean operator\?/);
  assert.match(fleetStatus('{ status: yes }').stderr, /fleet status needs a map of its options/);
});

test('the example of the document is valid', () => {
  const document = readFileSync(join(import.meta.dirname, '../../../../../docs/config.md'), 'utf8');
  const [, example] = /^```yaml\n([^]*?)^```$/m.exec(document)!;
  const missing = join(place, 'missing.yaml');
  for (const args of [['generate'], ['drift', missing], ['enforce', missing]]) {
    const { stderr } = bouheki(example!, args);
    assert.match(stderr, /\/srv\/bouheki|missing\.yaml/, args.join(' '));
    assert.doesNotMatch(stderr, /config\.yaml/);
  }
});

test('help, versions and completion can be had whatever is in the file', () => {
  for (const args of [['--help'], ['query', '--help'], ['version'], ['--version'], ['completion', 'bash']])
    assert.equal(bouheki('lern: 1\n', args).status, 0, args.join(' '));
});

test('a file that others can write is refused, and none is one without settings', () => {
  writeFileSync(config, 'db: /nowhere/a\n');
  chmodSync(config, 0o666);
  const env = { ...process.env, BOUHEKI_CONFIG: config };
  const { status, stderr } = spawnSync(process.execPath, [MAIN, ...QUERY], { encoding: 'utf8', env });
  assert.match(stderr, /config\.yaml/);
  assert.doesNotMatch(stderr, /no database/);
  assert.equal(status, 2);
  chmodSync(config, 0o600);
  assert.match(
    bouheki('# nothing\n', [...QUERY, '--db', '/nowhere/c']).stderr,
    /no database at \/nowhere\/c/,
  );
  const none = bouheki('lern: 1\n', [...QUERY, '--db', '/nowhere/c'], {
    BOUHEKI_CONFIG: join(place, 'none'),
  });
  assert.match(none.stderr, /no database at \/nowhere\/c/);
});
