import assert from 'node:assert/strict';
import test from 'node:test';
import { importSample, refusalOf } from './fixture.ts';

const lines = (events: object[]): string => events.map((event) => `${JSON.stringify(event)}\n`).join('');

const flow = (id: number, ends: object, about: object = {}, kind = 'flow') => ({
  timestamp: '2026-11-20T10:05:00.000000+0000',
  flow_id: id,
  event_type: kind,
  ...ends,
  [kind]: {
    start: '2026-11-20T10:00:10.500000+0000',
    end: '2026-11-20T10:00:20.000000+0000',
    age: 10,
    ...about,
  },
});
const OUT = { src_ip: '10.0.0.5', src_port: 45012, dest_ip: '192.0.2.7', dest_port: 443, proto: 'TCP' };
const BACK = { src_ip: '192.0.2.7', src_port: 443, dest_ip: '10.0.0.5', dest_port: 45012, proto: 'TCP' };
const SIX = {
  src_ip: '2001:0db8:0000:0000:0000:0000:0000:0005',
  src_port: 45012,
  dest_ip: '2001:0db8:ffff:0000:0000:0000:0000:0007',
  dest_port: 443,
  proto: 'UDP',
};
const dns = (about: object, ends: object) => ({
  timestamp: '2026-11-20T10:00:00.000000+0000',
  event_type: 'dns',
  proto: 'UDP',
  ...ends,
  dns: about,
});
const ASKED = { src_ip: '10.0.0.5', src_port: 5353, dest_ip: '10.0.0.2', dest_port: 53 };
const ANSWERED = { src_ip: '10.0.0.2', src_port: 53, dest_ip: '10.0.0.5', dest_port: 5353 };
const COLUMNS = 'host, address, port, protocol, verdict, name, name_known, age';

test('flows and netflows are taken once each, with the direction in which they began', async (t) => {
  const text = lines([
    flow(1, OUT),
    flow(2, SIX, {}, 'netflow'),
    flow(2, { ...SIX, src_ip: SIX.dest_ip, dest_ip: SIX.src_ip }, {}, 'netflow'),
    flow(1, OUT, {}, 'netflow'),
    flow(3, { ...OUT, src_ip: '198.51.100.9', dest_ip: '10.0.0.5' }),
    flow(4, { ...OUT, dest_ip: '192.0.2.8' }, { action: 'drop' }),
    flow(5, { src_ip: '2001:db8::5', dest_ip: '2001:db8:ffff::9', proto: 'IPv6-ICMP', icmp_type: 128 }),
    { timestamp: '2026-11-20T10:00:10.500000+0000', event_type: 'alert', ...BACK },
  ]);
  const { result, rows } = await importSample(t, {
    files: { 'eve.json': text },
    local: ['10.0.0.0/8', '2001:db8::/64'],
    columns: COLUMNS,
  });
  assert.deepEqual(
    [result.format, rows],
    [
      'eve',
      [
        '10.0.0.5|192.0.2.7|443|tcp|allow|||',
        '10.0.0.5|192.0.2.8|443|tcp|deny|||',
        '2001:db8::5|2001:db8:ffff::7|443|udp|allow|||',
        '2001:db8::5|2001:db8:ffff::9|0|icmpv6|allow|||',
      ],
    ],
  );
  assert.deepEqual(Object.fromEntries(result.passed), {
    'second events of flows': 2,
    'connections that came in': 1,
    'events of other kinds': 1,
  });
});

test('names come from the dns events of each version, whichever direction they are written in', async (t) => {
  const answers = [
    { rrname: 'api.example.com', rrtype: 'CNAME', ttl: 300, rdata: 'edge.example.net' },
    { rrname: 'edge.example.net', rrtype: 'A', ttl: 60, rdata: '192.0.2.7' },
  ];
  for (const event of [
    dns({ version: 2, type: 'answer', rrname: 'api.example.com', rrtype: 'A', answers }, ASKED),
    dns({ version: 2, type: 'answer', rrname: 'api.example.com', rrtype: 'A', answers }, ANSWERED),
    dns({ version: 3, type: 'response', queries: [{ rrname: 'api.example.com' }], answers }, ASKED),
    dns({ type: 'answer', rrname: 'api.example.com', rrtype: 'A', ttl: 60, rdata: '192.0.2.7' }, ANSWERED),
  ]) {
    const { rows } = await importSample(t, {
      files: { 'eve.json': lines([event, flow(1, OUT)]) },
      local: ['10.0.0.0/8'],
      columns: COLUMNS,
    });
    assert.deepEqual(rows, ['10.0.0.5|192.0.2.7|443|tcp|allow|api.example.com|host|-49']);
  }
});

test('answers that are written by type alone have their names, without a TTL', async (t) => {
  const grouped = { A: ['192.0.2.9', '192.0.2.7'], AAAA: ['2001:db8:ffff::7'], CNAME: ['edge.example.net'] };
  const about = { version: 2, type: 'answer', rrname: 'api.example.com', rrtype: 'A', grouped };
  const { rows } = await importSample(t, {
    files: { 'eve.json': lines([dns(about, ASKED), flow(1, OUT)]) },
    local: ['10.0.0.0/8'],
    columns: COLUMNS,
  });
  assert.deepEqual(rows, ['10.0.0.5|192.0.2.7|443|tcp|allow|api.example.com|host|11']);
});

test('what cannot be decided or read is named by file and line', async (t) => {
  const good = lines([flow(1, OUT)]);
  const undecided = await refusalOf(t, { files: { 'eve.json': good } });
  assert.match(undecided, /^eve\.json:1:1: EVE does not say which addresses are local Name the networks/);
  const cases: [string, string][] = [
    [good.slice(0, 60), 'eve.json:2:1: the line is no JSON object'],
    ['[]\n', 'eve.json:2:1: the line is no JSON object'],
    ['{"process_exec":{}}\n', 'eve.json:2:1: event_type: it is missing'],
    [
      lines([flow(2, OUT, { end: '2026-11-20T09:00:00.000000+0000' })]),
      'eve.json:2:1: end: it is before start',
    ],
    [lines([flow(2, OUT, { age: -1 })]), 'eve.json:2:1: age: it is negative'],
    [lines([flow(2, { ...OUT, src_ip: 7 })]), 'eve.json:2:1: src_ip: it is no IP address'],
    [lines([flow(2, { ...OUT, dest_port: -1 })]), 'eve.json:2:1: port: "-1" is no number'],
    [lines([flow(2, OUT, { start: 'soon' })]), 'eve.json:2:1: ts: "soon" is no time'],
  ];
  for (const [text, message] of cases) {
    const refusal = await refusalOf(t, { files: { 'eve.json': good + text }, local: ['10.0.0.0/8'] });
    assert.ok(refusal.startsWith(message), refusal);
  }
});
