/** Containers of systemd-nspawn and LXC have the names that these give them, and are judged as containers. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { query, Running } from '../e2e/bouheki.ts';
import { type Ended, folder, run, startNetwork, stopNetwork, succeeded } from '../e2e/guest.ts';
import { BUSYBOX, fetchFrom, makeRoot, reload, writePolicy, writeUnit } from './unit.ts';

const place = folder();
const db = join(place, 'record.duckdb');
const file = join(place, 'policy.yaml');
const root = join(place, 'root');

/** The program of the host that is shown to each container: by its name it knows what it is. */
const SHOWN = '/bin/busybox.host';
const NSPAWN = [
  'systemd-nspawn',
  '--quiet',
  '--pipe',
  `--directory=${root}`,
  `--bind-ro=${BUSYBOX}:${SHOWN}`,
];

/** Starts the bus, by which systemd-nspawn asks for a scope, and what registers machines. */
function startBus(): void {
  if (run('getent', 'passwd', 'messagebus').status !== 0)
    succeeded(run('useradd', '--system', '--home-dir', '/nonexistent', 'messagebus'));
  for (const unit of ['dbus.socket', 'dbus.service', 'systemd-machined.service']) {
    const folderOf = `/run/systemd/system/${unit}.d`;
    mkdirSync(folderOf, { recursive: true });
    writeFileSync(join(folderOf, 'test.conf'), '[Unit]\nDefaultDependencies=no\n');
  }
  succeeded(run('systemctl', 'daemon-reload'));
  succeeded(run('systemctl', 'start', 'dbus.socket', 'dbus.service'));
}

/** With a bus, podman would have systemd make scopes in the tests that follow. */
function stopBus(): void {
  succeeded(run('systemctl', 'stop', 'dbus.socket', 'dbus.service', 'systemd-machined.service'));
}

/** Runs a script in the container of the service that systemd has for each machine, without the boot. */
function runInService(name: string, script: string): Ended {
  const unit = `systemd-nspawn@${name}.service`;
  const out = join(place, 'service.out');
  const command = [...NSPAWN, '--keep-unit', '--settings=override', '--machine=%i', 'sh', '/script'];
  writeFileSync(join(root, 'script'), script);
  writeUnit(unit, [
    'Type=oneshot',
    'Slice=machine.slice',
    'Delegate=yes',
    `StandardOutput=file:${out}`,
    `ExecStart=${command.join(' ')}`,
  ]);
  succeeded(run('systemctl', 'daemon-reload'));
  succeeded(run('systemctl', 'start', unit));
  return run('cat', out);
}

/** What it prints goes to a console of the container, so it is sent elsewhere. */
function runInLxc(name: string, script: string): Ended {
  const config = join(place, 'lxc.conf');
  const lines = [
    `lxc.rootfs.path = dir:${root}`,
    'lxc.net.0.type = none',
    'lxc.apparmor.profile = unconfined',
    `lxc.mount.entry = ${BUSYBOX} ${SHOWN.slice(1)} none bind,ro,create=file 0 0`,
  ];
  writeFileSync(config, `${lines.join('\n')}\n`);
  const command = ['/bin/sh', '-c', `{ ${script}; } >/out`];
  succeeded(run('lxc-start', '--foreground', `--name=${name}`, `--rcfile=${config}`, '--', ...command));
  return run('cat', join(root, 'out'));
}

/** With a part of its own in the addresses below, and the name that is to be known: none where nothing gives it. */
const CONTAINERS: readonly [what: string, name: string | null, start: (script: string) => Ended][] = [
  [
    'systemd-nspawn that registers its machine',
    'web-1',
    (script) => run(...NSPAWN, '--machine=web-1', 'sh', '-c', script),
  ],
  [
    'systemd-nspawn that registers none',
    'web-2',
    (script) => run(...NSPAWN, '--register=no', '--machine=web-2', 'sh', '-c', script),
  ],
  ['a service of systemd-nspawn', 'web-3', (script) => runInService('web-3', script)],
  ['LXC', 'web-4', (script) => runInLxc('web-4', script)],
  [
    'systemd-nspawn in the cgroup of its caller',
    null,
    (script) => run(...NSPAWN, '--register=no', '--keep-unit', '--machine=web-5', 'sh', '-c', script),
  ],
];
const UNNAMED = '/system.slice/vm.service/payload';

const byName = (at: number): string => `10.0.1.${at}`;
const byCgroup = (at: number): string => `10.0.2.${at}`;
const byProgram = (at: number): string => `10.0.3.${at}`;
const byOther = (at: number): string => `10.0.4.${at}`;

suite('containers', () => {
  let enforce: Running;

  before(async () => {
    startNetwork();
    makeRoot(root);
    startBus();
    writePolicy(file, [
      ...CONTAINERS.flatMap(([, name], at) =>
        name === null ? [] : [[`container: [${name}]`, byName(at)] as const],
      ),
      [`cgroup: [${UNNAMED}]`, '10.0.2.0/24'],
      [`exe: [${BUSYBOX}]`, '10.0.3.0/24'],
      ['container: [other]', '10.0.4.0/24'],
    ]);
    enforce = await Running.start('enforce', file, '--db', db);
  });

  after(() => {
    stopBus();
    stopNetwork();
  });

  for (const [at, [what, name, start]] of CONTAINERS.entries()) {
    test(`${what}: the rules that name it hold, and none for a program of the host`, () => {
      const own = fetchFrom([byName(at), byCgroup(at), byOther(at)]);
      const { stdout, stderr } = start(`${own}; ${fetchFrom([byProgram(at)], SHOWN)}`);
      assert.equal(stdout.trim(), name === null ? byCgroup(at) : byName(at), stderr);
    });
  }

  test('the program of the host is allowed on the host', () => {
    assert.equal(run('sh', '-c', fetchFrom([byProgram(99)])).stdout.trim(), byProgram(99));
  });

  test('target container is about them', async () => {
    writePolicy(file, [['uid: [0]', '10.0.1.0/24']], 'container');
    await reload(enforce);
    assert.equal(run('sh', '-c', fetchFrom([byOther(99)])).stdout.trim(), byOther(99));
    for (const [at, [what, , start]] of CONTAINERS.entries()) {
      assert.equal(start(fetchFrom([byName(at), byOther(at)])).stdout.trim(), byName(at), what);
    }
  });

  test('they are recorded by their names', async () => {
    succeeded(await enforce.end('SIGINT'));
    const rows = await query<{ place: string }>(
      db,
      `SELECT DISTINCT split_part(address, '.', 4) AS place, in_container, container FROM connections
      WHERE address LIKE '10.0._.%' AND address NOT LIKE '%.99' ORDER BY place`,
    );
    const expected = CONTAINERS.map(([, container], at) => ({
      place: `${at}`,
      in_container: true,
      container,
    }));
    assert.deepEqual(rows, expected);
  });
});
