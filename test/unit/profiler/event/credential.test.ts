import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConnectionFlag } from '../../../../bpf/wire.ts';
import { recording } from '../recorder-fixture.ts';

const DENIED = { verdict: 1, flags: ConnectionFlag.judged | ConnectionFlag.blocked } as const;
const PLAIN = { uid: 1000, euid: 1000, fsuid: 1000, gid: 1000, egid: 1000, fsgid: 1000 };

test('each of the six ids of a process tells credentials apart', () => {
  const { connections, recorder, written } = recording();
  const changes: Partial<typeof PLAIN>[] = [
    {},
    { uid: 7 },
    { euid: 7 },
    { fsuid: 7 },
    { gid: 7 },
    { egid: 7 },
    { fsgid: 7 },
  ];
  // A second round, in which all are known.
  for (const change of [...changes, ...changes]) connections.connection(change);
  recorder.drain();
  recorder.flush();
  assert.deepEqual(
    written.events.map(({ credential }) => written.credentials[Number(credential) - 1]),
    [...changes, ...changes].map((change) => Object.assign({}, PLAIN, change)),
  );
});

test('a process that works for two users in turn is looked up once for each of them', () => {
  const { connections, recorder, written } = recording();
  for (let round = 0; round < 50; round++) {
    connections.connection({ uid: 0, euid: 1000, fsuid: 1000 });
    connections.connection({ uid: 0, euid: 1001, fsuid: 1001 });
  }
  recorder.drain();
  recorder.flush();
  assert.equal(written.credentials.length, 2);
  assert.deepEqual(
    written.events.slice(0, 4).map(({ credential }) => credential),
    [1, 2, 1, 2],
  );
});

test('users and groups are named once, those of a directory service when it has answered', async () => {
  const { accounts, connections, recorder, written } = recording({
    files: { user: '/etc/passwd', group: '/etc/group' },
    program: 'echo',
  });
  connections.connection({ uid: 4_000_000, euid: 0, gid: 0, egid: 0, fsuid: 0, fsgid: 0 });
  connections.connection({ uid: 0, euid: 0, gid: 0, egid: 0, fsuid: 0, fsgid: 0, comm: 'other' });
  recorder.drain();
  assert.deepEqual(written.accounts, [
    ['user', 0, 'root'],
    ['group', 0, 'root'],
  ]);
  await accounts.settle();
  recorder.flush();
  // `echo` answers with the question, which names no account.
  assert.equal(written.accounts.length, 2);
});

test('a denial is told with the name of its user where that is known', () => {
  const { denials, denied, recorder } = recording({ files: { user: '/etc/passwd', group: '/etc/group' } });
  denials.connection({ ...DENIED, uid: 0, euid: 0 });
  denials.connection({ ...DENIED, uid: 4_000_000 });
  recorder.drain();
  assert.deepEqual(
    denied.map(({ uid, user }) => [uid, user]),
    [
      [0, 'root'],
      [4_000_000, undefined],
    ],
  );
});
