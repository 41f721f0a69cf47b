import assert from 'node:assert/strict';
import test from 'node:test';
import { gzipSync } from 'node:zlib';
import { importSample, refusalOf } from './fixture.ts';

const tsv = (path: string, fields: string, rows: string[]): string =>
  [
    '#separator \\x09',
    '#set_separator\t,',
    '#empty_field\t(empty)',
    '#unset_field\t-',
    `#path\t${path}`,
    `#fields\t${fields.replaceAll(' ', '\t')}`,
    ...rows.map((row) => row.replaceAll(' ', '\t')),
    '#close\t2026-11-21-10-00-00\n',
  ].join('\n');

const CONN_FIELDS =
  'ts uid id.orig_h id.orig_p id.resp_h id.resp_p proto service duration conn_state local_orig local_resp';
const CONN = tsv('conn', CONN_FIELDS, [
  '1795168810.500000 C1 10.0.0.5 45012 192.0.2.7 443 tcp ssl 1.5 SF T F',
  '1795168811.000000 C2 2001:db8::5 45013 2001:db8:ffff::7 443 udp quic - S0 T F',
  '1795168812.000000 C3 198.51.100.9 50000 10.0.0.5 22 tcp ssh 2.0 SF F T',
  '1795168813.000000 C4 10.0.0.5 8 192.0.2.8 0 icmp - 0.1 OTH T F',
  '1795168814.000000 C5 2001:db8::5 128 2001:db8:ffff::8 129 icmp - 0.1 OTH T F',
]);
const DNS = tsv(
  'dns',
  'ts uid id.orig_h id.orig_p id.resp_h id.resp_p proto rtt query qtype_name answers TTLs',
  [
    '1795168800.000000 D1 10.0.0.5 5353 10.0.0.2 53 udp 0.02 API.example.com A edge.example.net,192.0.2.7 300.0,60.0',
    '1795168801.000000 D2 2001:db8::5 5354 10.0.0.2 53 udp 0.02 six.example.com AAAA 2001:db8:ffff::7 60.0',
    '1795168802.000000 D3 10.0.0.6 5355 10.0.0.2 53 udp 0.02 other.example.com A 192.0.2.8 60.0',
    '1795168820.000000 D4 10.0.0.5 5356 10.0.0.2 53 udp 0.02 later.example.com A 192.0.2.7 60.0',
    '1795168802.500000 D5 10.0.0.5 5353 224.0.0.251 5353 udp - planted.local A 192.0.2.7 60.0',
  ],
);
const COLUMNS = 'host, address, port, protocol, name, names, name_known, age';

const EXPECTED = [
  '10.0.0.5|192.0.2.7|443|tcp|api.example.com|api.example.com|host|-49',
  '2001:db8::5|2001:db8:ffff::7|443|udp|six.example.com|six.example.com|host|-50',
  '10.0.0.5|192.0.2.8|0|icmp||||',
  '2001:db8::5|2001:db8:ffff::8|0|icmpv6||||',
];

test('connections are named by what the same host had asked for before, in whatever order the files are given', async (t) => {
  for (const files of [
    { 'conn.log': CONN, 'dns.log': DNS },
    { 'dns.log': DNS, 'conn.log': gzipSync(CONN) },
    { 'conn.log': CONN.replaceAll('\n', '\r\n'), 'dns.log': DNS },
  ]) {
    const { result, rows } = await importSample(t, { files, columns: COLUMNS });
    assert.deepEqual(rows, EXPECTED);
    assert.equal(result.format, 'zeek');
    assert.deepEqual(Object.fromEntries(result.passed), {
      'connections that came in': 1,
      'look-ups of names': 5,
    });
  }
});

test('JSON, with seconds, milliseconds or dates, says the same, also as one stream', async (t) => {
  const dns = { 'id.orig_h': '10.0.0.5', 'id.resp_p': 53, query: 'api.example.com', qtype_name: 'A' };
  const conn = { 'id.orig_h': '10.0.0.5', 'id.resp_h': '192.0.2.7', 'id.resp_p': 443, proto: 'tcp' };
  for (const [asked, made] of [
    [1795168800, 1795168810.5],
    [1795168800000, 1795168810500],
    ['2026-11-20T10:00:00.000000Z', '2026-11-20T10:00:10.500000Z'],
  ]) {
    const lines = [
      { _path: 'dns', ts: asked, ...dns, answers: ['edge.example.net', '192.0.2.7'], TTLs: [300, 60] },
      { _path: 'http', ts: asked, 'id.orig_h': '10.0.0.5', host: 'x' },
      { _path: 'conn', ts: made, ...conn, duration: 0.25, local_orig: true },
    ];
    const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
    const { rows } = await importSample(t, { files: { 'all.json': text }, columns: COLUMNS });
    assert.deepEqual(rows, ['10.0.0.5|192.0.2.7|443|tcp|api.example.com|api.example.com|host|-49']);
  }
});

test('--local decides who is local, and without it and local_orig nobody does', async (t) => {
  const unset = CONN.replaceAll('\tT\tF', '\t-\t-').replaceAll('\tF\tT', '\t-\t-');
  const { rows } = await importSample(t, { files: { 'conn.log': unset }, local: ['10.0.0.0/8'] });
  assert.deepEqual(rows, ['10.0.0.5|192.0.2.7|443|tcp', '10.0.0.5|192.0.2.8|0|icmp']);
  assert.equal(
    await refusalOf(t, { files: { 'conn.log': unset }, options: { skipBad: true } }),
    'conn.log:7:1: local_orig does not say whether the client is local Name the networks of the hosts to learn from with --local, such as --local 10.0.0.0/8. Nothing was imported.',
  );
});

test('what is cut, mixed or impossible is named by file and line', async (t) => {
  const cases: [string, string][] = [
    [CONN.replace('\tT\tF\n', '\tT\n'), 'conn.log:7:1: 11 fields, but #fields names 12'],
    [CONN.replace('1.5', '-1.5'), 'conn.log:7:1: duration: it is negative'],
    [CONN.replace('192.0.2.7', '192.0.2.700'), 'conn.log:7:1: addr: "192.0.2.700" is no IP address'],
    [
      CONN.replace('1795168811.000000', '4000000000.000000'),
      'conn.log:8:1: ts: "4000000000.000000" has not come yet',
    ],
    [CONN.replace('1795168811.000000', 'soon'), 'conn.log:8:1: ts: "soon" is no time such as'],
    [CONN.replace('#close', '{"ts":1,'), 'conn.log:12:1: the line is no JSON object'],
    [CONN.slice(CONN.indexOf('17951')), 'conn.log:1:1: no line with #fields comes before this one'],
    [CONN.replace('C2', 'x'.repeat(2 << 20)), 'conn.log:8:1: the line is too long'],
    [DNS.replaceAll('#path\tdns', '#path\tssl'), 'conn.log has no rows to import'],
    ['', 'conn.log has no rows to import'],
  ];
  for (const [text, message] of cases) {
    const refusal = await refusalOf(t, { files: { 'conn.log': text }, format: 'zeek' });
    assert.ok(refusal.startsWith(message), refusal);
  }
  const { result } = await importSample(t, {
    files: { 'conn.log': CONN.replace('C2', 'x'.repeat(2 << 20)) },
    options: { skipBad: true },
  });
  assert.deepEqual([result.rows, result.skipped], [3, 1]);
});
