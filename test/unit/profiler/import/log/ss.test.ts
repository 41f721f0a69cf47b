import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { importSample, refusalOf } from './fixture.ts';

const HEAD = 'Netid State  Recv-Q Send-Q  Local Address:Port   Peer Address:Port Process\n';
const ALL = `${HEAD}udp   UNCONN 0      0       127.0.0.53%lo:53          0.0.0.0:*     users:(("systemd-resolve",pid=500,fd=13))
udp   ESTAB  0      0       10.0.0.5%eth0:68        10.0.0.1:67    users:(("NetworkManager",pid=600,fd=28))
tcp   LISTEN 0      128          0.0.0.0:22          0.0.0.0:*     users:(("sshd",pid=700,fd=3))
tcp   ESTAB  0      0           10.0.0.5:22     198.51.100.9:50000 users:(("sshd",pid=900,fd=4),("sshd",pid=800,fd=4))
tcp   ESTAB  0      0           10.0.0.5:45012     192.0.2.7:443   users:(("curl",pid=4711,fd=5)) uid:1000 ino:7 sk:1 cgroup:/system.slice/backup.service <->
tcp   ESTAB  0      0           10.0.0.5:40000     192.0.2.8:50000 users:(("odd "name",pid=12,fd=5),("parent",pid=11,fd=5)) ino:8 sk:2
tcp   SYN-SENT 0    1      [2001:db8::5]:45013 [2001:db8:ffff::7]:443 users:(("wget",pid=13,fd=5))
tcp   TIME-WAIT 0   0   [::ffff:10.0.0.5]:45014 [::ffff:192.0.2.9]:443
\t cubic wscale:7,7 rto:204
u_str ESTAB  0      0                  * 12345             * 12346
`;
const COLUMNS = 'host, command, uid, unit, address, port, protocol';

test('what has the port of a socket that listens was accepted, all else was made here', async (t) => {
  const { result, rows, directory } = await importSample(t, {
    files: { 'ss.txt': ALL },
    columns: `time, ${COLUMNS}`,
    options: { host: 'web1' },
  });
  const taken = statSync(join(directory, 'ss.txt')).mtime.toISOString().slice(0, 19).replace('T', ' ');
  assert.equal(result.format, 'ss');
  assert.ok(rows.every((row) => row.startsWith(taken)));
  assert.deepEqual(
    rows.map((row) => row.slice(row.indexOf('|') + 1)),
    [
      'web1|NetworkManager|4294967295||10.0.0.1|67|udp',
      'web1|curl|1000|backup.service|192.0.2.7|443|tcp',
      'web1|parent|0||192.0.2.8|50000|tcp',
      'web1||4294967295||192.0.2.9|443|tcp',
      'web1|wget|4294967295||2001:db8:ffff::7|443|tcp',
    ],
  );
  assert.deepEqual(Object.fromEntries(result.passed), {
    'sockets that listen': 2,
    'connections that came in': 1,
    'sockets of other kinds': 1,
  });
});

test('without sockets that listen the ports decide, in each snapshot by itself', async (t) => {
  const quiet = ALL.split('\n')
    .filter((line) => !/LISTEN|UNCONN/.test(line))
    .join('\n');
  const { result, rows } = await importSample(t, {
    files: { 'ss.txt': quiet },
    options: { at: '2026-11-20T10:00:00Z' },
  });
  assert.deepEqual(rows, ['|192.0.2.7|443|tcp', '|192.0.2.9|443|tcp', '|2001:db8:ffff::7|443|tcp']);
  assert.deepEqual(Object.fromEntries(result.passed), {
    'connections that came in': 1,
    'sockets of other kinds': 1,
    'connections of which the ports do not tell the direction': 2,
  });
  const both = await importSample(t, { files: { 'ss.txt': ALL + quiet } });
  assert.equal(both.result.rows, 8);
});

test('what cannot be decided or read is named by file and line', async (t) => {
  const cases: [string, string][] = [
    ['State Recv-Q Send-Q Local Address:Port\n', 'ss.txt:2:1: no column Netid says which sockets are TCP'],
    ['tcp   ESTAB  0      0     10.0.0.5:45\n', 'ss.txt:2:1: fewer than six columns'],
    ['tcp ESTAB 0 0 10.0.0.5:45012 web1.example.com:443\n', 'ss.txt:2:1: addr: "web1.example.com" is no IP'],
    ['tcp ESTAB 0 0 10.0.0.5:45012 192.0.2.7:https\n', 'ss.txt:2:1: https: it is no port by its number'],
    ['tcp ESTAB 0 0 10.0.0.5 192.0.2.7:443\n', 'ss.txt:2:1: no address with a port'],
  ];
  for (const [text, message] of cases) {
    const row = 'tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:*\n';
    const refusal = await refusalOf(t, { files: { 'ss.txt': HEAD + text + row } });
    assert.ok(refusal.startsWith(message), refusal);
  }
});
