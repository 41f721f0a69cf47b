/** What a user makes of namespaces is no way round a policy, and its names are the user's word. */
import assert from 'node:assert/strict';
import { appendFileSync, chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { bouheki, query, Running } from '../e2e/bouheki.ts';
import { folder, run, startNetwork, stopNetwork, succeeded, USER } from '../e2e/guest.ts';
import { BUSYBOX, fetchFrom, makeRoot, reload, runService, writePolicy, writeUnit } from './unit.ts';

const GROUP = 2000;
const RUNTIME = `/run/user/${USER}`;
const MANAGER = `user@${USER}.service`;

const place = folder();
const db = join(place, 'record.duckdb');
const file = join(place, 'policy.yaml');
const root = join(place, 'root');
const home = join(place, 'home');

/** From a directory that a user can enter, wherever the repository is. */
const AS_USER =
  `setpriv --reuid ${USER} --regid ${USER} --clear-groups env --chdir=/ HOME=${home} XDG_RUNTIME_DIR=${RUNTIME}`.split(
    ' ',
  );
/** The program of the host that is shown to containers: by its name it knows what it is. */
const SHOWN = '/bin/busybox.host';
const PODMAN =
  `podman --cgroup-manager=cgroupfs --events-backend=file run --rm --network=host --name=web --volume=${BUSYBOX}:${SHOWN}:ro`.split(
    ' ',
  );

/** The user, with a range of ids for containers, in a group that it may change to. */
function makeUser(): void {
  const known = run('getent', 'passwd', `${USER}`).stdout.split(':')[0];
  const name = known === undefined || known === '' ? 'tester' : known;
  if (name !== known) appendFileSync('/etc/passwd', `${name}:x:${USER}:${USER}::${home}:/bin/sh\n`);
  appendFileSync('/etc/group', `tested:x:${GROUP}:${name}\n`);
  for (const ids of ['/etc/subuid', '/etc/subgid']) writeFileSync(ids, `${name}:100000:65536\n`);
  chmodSync(place, 0o755);
  for (const path of [home, RUNTIME]) {
    mkdirSync(path, { recursive: true });
    chownSync(path, USER, USER);
  }
}

/** Starts the user's own systemd, as a login would. */
function startManager(): void {
  writeUnit('user@.service', [
    'Type=notify',
    'User=%i',
    'Slice=user-%i.slice',
    'Delegate=yes',
    `Environment=XDG_RUNTIME_DIR=${RUNTIME} HOME=${home}`,
    'ExecStart=/usr/lib/systemd/systemd --user --unit=basic.target',
  ]);
  succeeded(run('systemctl', 'daemon-reload'));
  succeeded(run('systemctl', 'start', MANAGER));
}

/** Runs a script as a service of the user's systemd. */
function runAsService(name: string, script: string, ...settings: string[]): string {
  return runService(name, script, {
    settings,
    systemctl: [...AS_USER, 'systemctl', '--user'],
    units: join(RUNTIME, 'systemd/user'),
  });
}

const quoted = (words: readonly string[]): string => words.map((word) => `'${word}'`).join(' ');

/** The subject to which a rule allows it. */
const TO = {
  uid: '10.0.1.1',
  root: '10.0.1.2',
  container: '10.0.1.3',
  exe: '10.0.1.4',
  unit: '10.0.1.5',
  group: '10.0.1.6',
  usersGroup: '10.0.1.7',
};
const ALL = Object.values(TO);

/** Who tries, what each of them reaches, and as what it is recorded. */
const TRIES: readonly [
  what: string,
  run: (script: string) => string,
  reaches: readonly string[],
  inContainer: boolean,
][] = [
  [
    'a program of the user',
    (script) => run(...AS_USER, 'sh', '-c', script).stdout,
    [TO.uid, TO.exe, TO.usersGroup],
    false,
  ],
  [
    'a program in a group that it changed to',
    (script) => run(...AS_USER, 'sg', 'tested', '-c', script).stdout,
    [TO.uid, TO.exe, TO.group],
    false,
  ],
  [
    'a service of the user',
    (script) => runAsService('own', script),
    [TO.uid, TO.exe, TO.unit, TO.usersGroup],
    false,
  ],
  [
    'a program behind mounts of its own',
    (script) => run(...AS_USER, 'unshare', '--map-root-user', '--mount', 'sh', '-c', script).stdout,
    [TO.uid, TO.usersGroup],
    false,
  ],
  [
    'a rootless container',
    (script) => run(...AS_USER, ...PODMAN, '--rootfs', root, 'sh', '-c', script).stdout,
    [TO.uid, TO.usersGroup],
    true,
  ],
  [
    'a rootless container of a service',
    (script) => {
      writeFileSync(join(root, 'tmp/script'), script);
      const command = [...PODMAN, '--cgroups=split', '--rootfs', root, 'sh', '/tmp/script'];
      return runAsService('pod', `exec ${quoted(command)}\n`, 'Delegate=yes', `Environment=HOME=${home}`);
    },
    [TO.uid, TO.unit, TO.usersGroup],
    true,
  ],
];

suite('a user', () => {
  let enforce: Running;

  before(async () => {
    startNetwork();
    makeUser();
    makeRoot(root);
    succeeded(run('chown', '-R', `${USER}:${USER}`, root));
    startManager();
    writePolicy(file, [
      [`uid: [${USER}]`, TO.uid],
      ['uid: [0]', TO.root],
      ['container: [web, "*"]', TO.container],
      [`exe: [${BUSYBOX}]`, TO.exe],
      [`unit: [${MANAGER}]`, TO.unit],
      [`gid: [${GROUP}]`, TO.group],
      [`gid: [${USER}]`, TO.usersGroup],
    ]);
    enforce = await Running.start('enforce', file, '--db', db);
  });

  after(stopNetwork);

  for (const [at, [what, attempt, reaches, inContainer]] of TRIES.entries()) {
    test(`${what} is allowed what it is by its ids and its unit`, () => {
      const program = inContainer ? SHOWN : BUSYBOX;
      const mark = `10.0.2.${at}`;
      assert.deepEqual(
        attempt(fetchFrom([...ALL, mark], program))
          .trim()
          .split('\n'),
        reaches,
      );
    });
  }

  test('target container is about rootless containers, and not about the rest', async () => {
    writePolicy(file, [['uid: [0]', TO.root]], 'container');
    await reload(enforce);
    for (const [what, attempt, , inContainer] of TRIES) {
      assert.equal(attempt(fetchFrom([TO.uid])).trim(), inContainer ? '' : TO.uid, what);
    }
  });

  test('rootless containers are recorded as containers without a name, which no rule is written for', async () => {
    const { stderr } = succeeded(await enforce.end('SIGINT'));
    assert.match(stderr, /^3 containers without a name\.$/m);
    const rows = await query(
      db,
      `SELECT DISTINCT address, uid, in_container, container ~ '^[0-9a-f]{12}$' AS id FROM connections
      WHERE address LIKE '10.0.2.%' ORDER BY address`,
    );
    const expected = TRIES.map(([, , , inContainer], at) => ({
      address: `10.0.2.${at}`,
      uid: USER,
      in_container: inContainer,
      id: at === TRIES.length - 1 ? true : null,
    }));
    assert.deepEqual(rows, expected);
    const { stdout } = succeeded(bouheki('generate', '--db', db));
    assert.doesNotMatch(stdout, /container: \[/);
    assert.match(
      stdout,
      new RegExp(`^# Not allowed \\(unnamed subject\\): unknown container uid ${USER}, `, 'm'),
    );
  });
});
