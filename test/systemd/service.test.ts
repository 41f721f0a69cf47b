/** A service is the host's, whatever systemd has taken from its sight. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { query, Running } from '../e2e/bouheki.ts';
import { folder, startNetwork, stopNetwork, succeeded } from '../e2e/guest.ts';
import { BUSYBOX, fetchFrom, reload, runService, runStrange, writePolicy } from './unit.ts';

/** Settings, and what is done before anything is fetched. */
const SERVICES: readonly [name: string, settings: string, prepare?: string][] = [
  ['plain', ''],
  ['private', 'PrivateTmp=yes ProtectSystem=strict'],
  ['dynamic', 'DynamicUser=yes'],
  ['users', 'PrivateTmp=yes PrivateUsers=yes'],
  [
    'hardened',
    `DynamicUser=yes PrivateDevices=yes PrivateUsers=yes ProtectHome=yes ProtectHostname=yes ProtectProc=invisible
    ProtectKernelTunables=yes ProtectControlGroups=yes NoNewPrivileges=yes RestrictNamespaces=yes`,
  ],
  [
    'delegate',
    'Delegate=yes',
    'at=/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)/other.service/deeper; mkdir -p $at; echo $$ >$at/cgroup.procs',
  ],
];

const place = folder();
const db = join(place, 'record.duckdb');
const file = join(place, 'policy.yaml');

const byExe = (at: number): string => `10.0.1.${at}`;
const byUnit = (at: number): string => `10.0.2.${at}`;
/** Named by rules for another program, and for another unit: the one that the service calls a cgroup of its own. */
const othersExe = (at: number): string => `10.0.3.${at}`;
const othersUnit = (at: number): string => `10.0.4.${at}`;

function fetchAll(at: number): string[] {
  const [name, settings, prepare = ':'] = SERVICES[at]!;
  const addresses = [byExe, byUnit, othersExe, othersUnit].map((address) => address(at));
  return runService(name, `${prepare}\n${fetchFrom(addresses)}\n`, { settings: settings.split(/\s+/) })
    .trim()
    .split('\n');
}

suite('services', () => {
  let enforce: Running;

  before(async () => {
    startNetwork();
    writePolicy(file, [
      [`exe: [${BUSYBOX}]`, '10.0.1.0/24'],
      ...SERVICES.map(([name], at) => [`unit: [${name}.service]`, byUnit(at)] as const),
      ['exe: [/usr/bin/curl]', '10.0.3.0/24'],
      ['unit: [other.service]', '10.0.4.0/24'],
    ]);
    enforce = await Running.start('enforce', file, '--db', db);
  });

  after(stopNetwork);

  for (const [at, [name]] of SERVICES.entries()) {
    test(`${name}: rules for its program and its unit hold, and no others`, () => {
      assert.deepEqual(fetchAll(at), [byExe(at), byUnit(at)]);
    });
  }

  test('target container leaves services untouched', async () => {
    writePolicy(file, [['uid: [0]', '10.0.1.0/24']], 'container');
    await reload(enforce);
    assert.equal(runStrange(fetchFrom(['10.0.2.77'])).stdout, '', 'it is in force for a container');
    for (const at of SERVICES.keys()) {
      assert.deepEqual(fetchAll(at), [byExe(at), byUnit(at), othersExe(at), othersUnit(at)]);
    }
  });

  test('in the record they are processes of the host, and of their unit', async () => {
    succeeded(await enforce.end('SIGINT'));
    const rows = await query<{ unit: string; dynamic: boolean }>(
      db,
      `SELECT unit, in_container, container, exe, bool_or(uid BETWEEN 61184 AND 65519) AS dynamic,
        count(*) FILTER (verdict = 'deny') AS denied
      FROM connections WHERE unit NOT IN ('vm.service') AND address LIKE '10.0._.%' GROUP BY ALL ORDER BY unit`,
    );
    const expected = SERVICES.map(([name, settings]) => ({
      unit: `${name}.service`,
      in_container: false,
      container: null,
      exe: BUSYBOX,
      dynamic: settings.includes('DynamicUser=yes'),
      denied: '2',
    }));
    assert.deepEqual(
      rows,
      expected.toSorted((a, b) => (a.unit < b.unit ? -1 : 1)),
    );
  });
});
