import assert from 'node:assert/strict';
import test from 'node:test';
import { importSample, refusalOf } from './fixture.ts';

const lines = (events: object[]): string => events.map((event) => `${JSON.stringify(event)}\n`).join('');

const POD = {
  namespace: 'shop',
  name: 'web-7d9c6b5f4-x7k2p',
  container: {
    id: `containerd://${'a'.repeat(64)}`,
    name: 'web',
    image: { id: `registry.example.com/web@sha256:${'b'.repeat(64)}`, name: 'registry.example.com/web:1' },
  },
  pod_labels: { app: 'web' },
};
const process = (binary: string, more: object = {}) => ({
  exec_id: 'x',
  pid: 4711,
  uid: 1000,
  binary,
  ...more,
});
const call = (name: string, of: object, args: object[], more: object = {}) => ({
  process_kprobe: {
    process: of,
    parent: {},
    function_name: name,
    args,
    action: 'KPROBE_ACTION_POST',
    ...more,
  },
  node_name: 'node1',
  time: '2026-11-20T10:00:00.123456789Z',
});
const sock = (daddr: string, dport: number, protocol = 'IPPROTO_TCP') => ({
  sock_arg: {
    family: 'AF_INET',
    type: 'SOCK_STREAM',
    protocol,
    saddr: '10.0.0.5',
    daddr,
    sport: 45012,
    dport,
  },
});
const COLUMNS =
  'host, pid, command, exe, uid, euid, container, image, pod, namespace, address, port, protocol, verdict';

test('connects have the binary, the user and the container that made them', async (t) => {
  const credentials = { uid: 1000, gid: 1000, euid: 0, egid: 0, fsuid: 0, fsgid: 0 };
  const text = lines([
    { process_exec: { process: process('/usr/bin/curl') }, node_name: 'node1', time: '2026-11-20T10:00:00Z' },
    call('tcp_connect', process('/usr/bin/curl'), [sock('192.0.2.7', 443)]),
    call('tcp_connect', process('/app/server-with-a-long-name', { pod: POD }), [sock('2001:db8::7', 443)]),
    call('udp_sendmsg', process('/usr/bin/dig', { process_credentials: credentials }), [
      sock('192.0.2.53', 53),
    ]),
    call(
      'security_socket_connect',
      process('/usr/bin/nc', { docker: 'a'.repeat(31) }),
      [sock('', 0), { sockaddr_arg: { family: 'AF_INET', addr: '192.0.2.99', port: 25 } }],
      { action: 'KPROBE_ACTION_OVERRIDE' },
    ),
    call('tcp_close', process('/usr/sbin/sshd'), [sock('198.51.100.9', 50000)]),
    call('security_socket_connect', process('/usr/bin/nc'), [{ sockaddr_arg: { family: 'AF_UNIX' } }]),
  ]);
  const { result, rows } = await importSample(t, { files: { 'tetragon.log': text }, columns: COLUMNS });
  assert.equal(result.format, 'tetragon');
  assert.deepEqual(rows, [
    'node1||dig|/usr/bin/dig|1000|0|||||192.0.2.53|53|udp|allow',
    'node1||curl|/usr/bin/curl|1000|1000|||||192.0.2.7|443|tcp|allow',
    'node1||nc|/usr/bin/nc|1000|1000|||||192.0.2.99|25|tcp|deny',
    'node1||server-with-a-l|/app/server-with-a-long-name|1000|1000|shop/web|registry.example.com/web:1|web-7d9c6b5f4-x7k2p|shop|2001:db8::7|443|tcp|allow',
  ]);
  assert.deepEqual(Object.fromEntries(result.passed), {
    'events of other kinds': 1,
    'calls of other functions': 1,
    'calls without a destination or protocol': 1,
  });
});

test('a connect that an LSM hook saw is named without security_', async (t) => {
  const { process_kprobe, ...rest } = call('socket_connect', process('/usr/bin/nc'), [
    sock('', 0, 'IPPROTO_UDP'),
    { sockaddr_arg: { family: 'AF_INET', addr: '192.0.2.99', port: 53 } },
  ]);
  const { rows } = await importSample(t, {
    files: { 'tetragon.log': lines([{ process_lsm: process_kprobe, ...rest }]) },
    columns: 'exe, address, port, protocol, verdict',
  });
  assert.deepEqual(rows, ['/usr/bin/nc|192.0.2.99|53|udp|allow']);
});

test('what cannot be read is named by file and line', async (t) => {
  const good = lines([call('tcp_connect', process('/usr/bin/curl'), [sock('192.0.2.7', 443)])]);
  const cases: [string, string][] = [
    [good.slice(0, 99), 't.log:2:1: the line is no JSON object'],
    ['{"event_type":"flow"}\n', 't.log:2:1: no event of a process'],
    [good.replace('"process":', '"proces":'), 't.log:2:1: process: it is missing'],
    [good.replace('192.0.2.7', '192.0.2.x'), 't.log:2:1: addr: "192.0.2.x" is no IP address'],
    [good.replace('"uid":1000', '"uid":-1'), 't.log:2:1: uid: "-1" is no number'],
    [good.replace('2026-11-20T', ''), 't.log:2:1: ts: "10:00:00.123456789Z" is no time'],
  ];
  for (const [text, message] of cases) {
    const refusal = await refusalOf(t, { files: { 't.log': good + text } });
    assert.ok(refusal.startsWith(message), refusal);
  }
});
