/**
 * The examples that the documents of bouheki give, version 1 files all, with the outcomes that they state: a policy
 * that has been in use since then must keep its meaning.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { curl, curlRefused, pythonTo } from './attempt.ts';
import { type LogLine, query, Running } from './bouheki.ts';
import {
  asUser,
  type Ended,
  folder,
  inContainer,
  makeImage,
  run,
  startNetwork,
  stopNetwork,
  USER,
} from './guest.ts';

before(() => {
  startNetwork();
  makeImage();
});

after(async () => {
  if (running !== undefined) await end();
  stopNetwork();
});

const place = folder();
const db = join(place, 'record.duckdb');
const file = join(place, 'policy.yaml');
let running: Running | undefined;

/**
 * Puts a policy in force for the tests of one suite: the way the documents show it, or, where the policy of the suite
 * before is still in force, in its place.
 */
function inForce(lines: string[]): { readonly bouheki: Running; readonly output: string } {
  let from = 0;
  before(async () => {
    writeFileSync(file, `${lines.join('\n')}\n`, { mode: 0o600 });
    if (running === undefined) {
      running = await Running.start('--db', db, '--config', file);
      return;
    }
    from = running.stdout.length;
    const said = running.stderr.length;
    running.signal('SIGHUP');
    await running.until(/^Blocking by /m, said);
  });
  return {
    get bouheki() {
      return running!;
    },
    /** What was logged under this policy. */
    get output() {
      return running!.stdout.slice(from);
    },
  };
}

/** After it every line of the log is there, and every row of the record. */
async function end(): Promise<void> {
  const { status, stderr } = await running!.end('SIGTERM');
  assert.equal(status, 0, stderr);
}

const reached = ({ stdout }: Ended, from: string): void => assert.equal(stdout, `hello from ${from}\n`);
const refused = (ended: Ended): void => assert.ok(curlRefused(ended), ended.stderr);

/** The keys that log readers have relied on since the first release, with the values that can be foreseen. */
function documented({ Action, Addr, Comm, Hostname, Port, level, msg }: LogLine) {
  return { Action, Addr, Comm, Hostname, Port, level, msg };
}

/** A pattern for a line of the text log. */
function textLine(address: string, hostname: string): string {
  const fields = `Action=block Addr=${address} Comm=curl Hostname=${hostname} PID=\\d+ Port=443( \\w+=("[^"]+"|\\S+))+`;
  return `INFO\\[\\d{4}\\] Traffic is trapped in the filter\\. +${fields}\n`;
}

suite('a network for containers alone, with one address taken out', () => {
  const policy = inForce([
    'network:',
    '  mode: block',
    '  target: container',
    '  cidr:',
    '    allow:',
    '      - 10.0.1.1/24',
    '    deny:',
    '      - 10.0.1.71/32',
  ]);

  test('the container reaches the network', () => {
    reached(inContainer('app', ...curl('http://10.0.1.1/')), '10.0.1.1 port 80');
  });

  test('the container does not reach the address that is taken out, nor any other network', () => {
    refused(inContainer('app', ...curl('http://10.0.1.71/')));
    refused(inContainer('app', ...curl('http://93.184.216.34/')));
  });

  test('the host reaches all of them', () => {
    reached(run(...curl('http://10.0.1.71/')), '10.0.1.71 port 80');
    reached(run(...curl('http://93.184.216.34/')), '93.184.216.34 port 80');
  });

  test('the log line is the one of the documents', async () => {
    const line = await policy.bouheki.logged({ Addr: '10.0.1.71' });
    assert.deepEqual(documented(line), {
      Action: 'BLOCKED',
      Addr: '10.0.1.71',
      Comm: 'curl',
      Hostname: 'app-host',
      Port: 80,
      level: 'info',
      msg: 'Traffic is trapped in the filter.',
    });
    assert.match(line.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    // The container counts its processes from 1; the log counts as the host does.
    assert.ok(line.PID > policy.bouheki.pid, `PID ${line.PID}`);
    assert.equal(line.Container, 'app');
    assert.deepEqual(
      policy.bouheki.log.map(({ Addr }) => Addr),
      ['10.0.1.71', '93.184.216.34'],
    );
  });

  test('the container is recorded, the host is not', async () => {
    await end();
    running = undefined;
    const rows = await query<{ container: string; image: string; hosts: string }>(
      db,
      `SELECT container, image, string_agg(DISTINCT address, ' ' ORDER BY address) AS hosts, bool_and(in_container) AS inside
      FROM connections WHERE address IS NOT NULL GROUP BY ALL`,
    );
    const hosts = '10.0.1.1 10.0.1.71 93.184.216.34';
    assert.deepEqual(rows, [{ container: 'app', image: 'localhost/e2e:latest', hosts, inside: true }]);
  });
});

suite('one address for wget, and not for curl', () => {
  const policy = inForce([
    'network:',
    '  mode: block',
    '  target: host',
    '  cidr:',
    '    allow:',
    '      - 0.0.0.0/0',
    '    deny:',
    '      - 93.184.216.34/32',
    '  command:',
    '    allow:',
    "      - 'wget'",
    '    deny:',
    "      - 'curl'",
    'log:',
    '  format: json',
  ]);

  test('curl is refused', () => {
    refused(run(...curl('http://93.184.216.34/')));
  });

  test('wget passes, although the address is denied: it is named', () => {
    const { status, stdout, stderr } = run('wget', '-O', '-', 'http://93.184.216.34/index.html');
    assert.equal(status, 0, stderr);
    assert.equal(stdout, 'hello from 93.184.216.34 port 80\n');
    assert.match(stderr, /^Connecting to 93\.184\.216\.34:80\.\.\. connected\.$/m);
    assert.match(stderr, /200 OK/);
  });

  test('a command that is in neither list is refused, wherever it goes', () => {
    assert.equal(pythonTo('tcp', '10.0.1.1', 80), 'EPERM');
  });

  test('the log line is the one of the documents', async () => {
    assert.deepEqual(documented(await policy.bouheki.logged({ Comm: 'curl' })), {
      Action: 'BLOCKED',
      Addr: '93.184.216.34',
      Comm: 'curl',
      Hostname: 'bouheki-vm',
      Port: 80,
      level: 'info',
      msg: 'Traffic is trapped in the filter.',
    });
    assert.ok(policy.bouheki.log.every(({ Comm }) => Comm !== 'wget'));
  });
});

suite('user 0 may connect, user 1000 may not', () => {
  const policy = inForce([
    'network:',
    '  mode: block',
    '  target: host',
    '  cidr:',
    '    allow:',
    '      - 0.0.0.0/0',
    '    deny: []',
    '  uid:',
    '    allow:',
    '      - 0',
    '    deny:',
    '      - 1000',
    'log:',
    '  format: json',
  ]);

  test('user 1000 is refused', async () => {
    refused(asUser(USER, ...curl('http://93.184.216.34/')));
    const line = await policy.bouheki.logged({ UID: USER });
    assert.deepEqual([line.Addr, line.Comm, line.Action], ['93.184.216.34', 'curl', 'BLOCKED']);
  });

  test('user 0 connects', () => {
    reached(run(...curl('http://93.184.216.34/')), '93.184.216.34 port 80');
  });

  test('a user that is in neither list is refused', async () => {
    refused(asUser(33, ...curl('http://93.184.216.34/')));
    await policy.bouheki.logged({ UID: 33 });
  });
});

suite('the bare lists of the first release, on the whole host', () => {
  const policy = inForce([
    'network:',
    '  mode: block',
    '  target: host',
    '  allow:',
    '    - 10.0.1.1/24',
    '    - 127.0.0.1/24',
    '  deny:',
    '    - 10.0.1.10/32',
    // What that release wrote without being asked.
    'log:',
    '  format: text',
  ]);

  test('the network is reached, the address that is taken out and everything else is not', () => {
    reached(run(...curl('http://10.0.1.1:443/')), '10.0.1.1 port 443');
    refused(run(...curl('http://10.0.1.10:443/')));
    refused(run(...curl('http://93.184.216.34:443/')));
  });

  test('a container counts as part of the host', () => {
    refused(inContainer('app', ...curl('http://10.0.1.10:443/')));
  });

  test('the log is text with the documented fields', async () => {
    await end();
    const expected = [
      textLine('10.0.1.10', 'bouheki-vm'),
      textLine('93.184.216.34', 'bouheki-vm'),
      textLine('10.0.1.10', 'app-host'),
    ];
    assert.match(policy.output, new RegExp(`^${expected.join('')}$`));
  });
});
