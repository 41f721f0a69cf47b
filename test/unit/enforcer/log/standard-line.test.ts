import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ecsLines, ecsOf } from '../../../../enforcer/log/ecs.ts';
import type { VerdictEntry } from '../../../../enforcer/log/entry.ts';
import { ocsfLines, ocsfOf } from '../../../../enforcer/log/ocsf.ts';

const AT = Date.UTC(2021, 8, 26, 13, 21, 58, 250);
const LABELS = { site: 'north' };
const BLOCKED: VerdictEntry = {
  action: 'BLOCKED',
  address: '2001:db8::1',
  name: 'api.example',
  command: 'curl',
  hostname: 'cdb99d181368',
  pid: 936_350,
  port: 443,
  exe: '/usr/bin/curl',
  uid: 1000,
  user: 'ada',
  protocol: 'tcp',
  parentCommand: 'sh',
  ancestors: 'sh < sshd < systemd',
  container: 'web',
  image: 'docker.io/nginx:1',
  rule: 'cloud metadata',
  policy: 'a319adda2ef2',
};
/** What is said of many denials at once. */
const SUM: VerdictEntry = {
  action: 'MONITOR',
  uid: 0,
  exe: '/usr/bin/dig',
  count: 12,
  policy: 'a319adda2ef2',
};
const SOCKET: VerdictEntry = { action: 'BLOCKED', uid: 0, pid: 7, command: 'ping', socket: 'raw' };

test('ecs: a denied connection', () => {
  assert.deepEqual(ecsOf(BLOCKED, AT, LABELS), {
    '@timestamp': '2021-09-26T13:21:58.250Z',
    'log.level': 'info',
    'ecs.version': '8.11.0',
    labels: { site: 'north' },
    message: 'Traffic is trapped in the filter.',
    event: {
      kind: 'event',
      category: ['network'],
      type: ['connection', 'denied'],
      action: 'blocked',
      module: 'bouheki',
      dataset: 'bouheki.verdict',
    },
    network: { transport: 'tcp', type: 'ipv6', direction: 'egress' },
    destination: { address: 'api.example', domain: 'api.example', ip: '2001:db8::1', port: 443 },
    process: { pid: 936_350, name: 'curl', executable: '/usr/bin/curl', parent: { name: 'sh' } },
    user: { id: '1000', name: 'ada' },
    host: { hostname: 'cdb99d181368' },
    container: { name: 'web', image: { name: 'docker.io/nginx:1' } },
    rule: { name: 'cloud metadata' },
    bouheki: { ancestors: 'sh < sshd < systemd', policy: 'a319adda2ef2' },
  });
});

test('ocsf: a denied connection', () => {
  assert.deepEqual(ocsfOf(BLOCKED, AT, LABELS, 'host-1'), {
    metadata: {
      version: '1.5.0',
      product: { name: 'bouheki', vendor_name: 'bouheki' },
      profiles: ['security_control', 'host', 'container'],
      labels: ['site:north'],
    },
    time: AT,
    category_uid: 4,
    class_uid: 4001,
    activity_id: 5,
    type_uid: 400_105,
    severity_id: 1,
    device: { hostname: 'host-1', type_id: 0 },
    message: 'Traffic is trapped in the filter.',
    action_id: 2,
    disposition_id: 2,
    actor: {
      user: { uid: '1000', name: 'ada' },
      process: {
        pid: 936_350,
        name: 'curl',
        file: { path: '/usr/bin/curl', name: 'curl', type_id: 1 },
        parent_process: { name: 'sh' },
        user: { uid: '1000', name: 'ada' },
        container: { name: 'web', image: { name: 'docker.io/nginx:1' } },
      },
    },
    src_endpoint: { hostname: 'cdb99d181368' },
    dst_endpoint: { ip: '2001:db8::1', port: 443, hostname: 'api.example' },
    connection_info: { direction_id: 2, protocol_name: 'tcp', protocol_num: 6, protocol_ver_id: 6 },
    firewall_rule: { name: 'cloud metadata' },
    policy: { uid: 'a319adda2ef2' },
    unmapped: { ancestors: 'sh < sshd < systemd' },
  });
});

test('a line for many says how many, and what would be denied is no denial', () => {
  const ecs = ecsOf(SUM, AT, {}) as Record<string, Record<string, unknown>>;
  assert.deepEqual(ecs.event!.type, ['connection', 'info']);
  assert.deepEqual(ecs.bouheki, { count: 12, policy: 'a319adda2ef2' });
  assert.ok(!('destination' in ecs) && !('labels' in ecs));
  const ocsf = ocsfOf(SUM, AT, {}, 'host-1') as Record<string, unknown>;
  assert.deepEqual(
    [ocsf.activity_id, ocsf.type_uid, ocsf.action_id, ocsf.disposition_id],
    [6, 400_106, 3, 17],
  );
  assert.equal(ocsf.count, 12);
  assert.deepEqual(ocsf.actor, { user: { uid: '0' } });
  assert.deepEqual(ocsf.unmapped, { program: '/usr/bin/dig' });
});

test('a socket that was opened has no destination', () => {
  const ecs = ecsOf(SOCKET, AT, {}) as Record<string, Record<string, unknown>>;
  assert.ok(!('destination' in ecs));
  assert.equal(ecs.bouheki!.socket, 'raw');
  const ocsf = ocsfOf(SOCKET, AT, {}, 'host-1') as Record<string, unknown>;
  assert.ok(!('dst_endpoint' in ocsf));
  assert.deepEqual([ocsf.src_endpoint, ocsf.unmapped], [{ hostname: 'host-1' }, { socket: 'raw' }]);
});

for (const [format, lines] of [
  ['ecs', ecsLines({}, () => AT)],
  ['ocsf', ocsfLines({}, () => AT, 'host-1')],
] as const) {
  test(`${format}: a name can not end a line or pose as a field, and a line is one document`, () => {
    for (const command of ['a\n{"forged":1}', '","forged":"1', '\u001b[2Jx', '\u2028', '\u009b2J']) {
      const line = lines.verdict({ ...BLOCKED, command, rule: command });
      // oxlint-disable-next-line no-control-regex
      assert.doesNotMatch(line.slice(0, -1), /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/);
      assert.ok(line.endsWith('}\n') && !('forged' in (JSON.parse(line) as object)));
      assert.ok(JSON.stringify(JSON.parse(line)).includes(JSON.stringify(command)));
    }
  });

  test(`${format}: dropped lines are counted where they are missing`, () => {
    const line = JSON.parse(lines.missing(7)) as Record<string, unknown>;
    assert.equal(format === 'ecs' ? (line.bouheki as { dropped: number }).dropped : line.count, 7);
    assert.equal(line.message, 'Lines are missing here: the log could not be written.');
  });
}
