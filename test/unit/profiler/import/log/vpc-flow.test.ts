import assert from 'node:assert/strict';
import test from 'node:test';
import { importSample, refusalOf } from './fixture.ts';

const flow = (
  from: string,
  to: string,
  ports: string,
  rest = '6 10 840 1795168800 1795168860 ACCEPT OK',
): string => `2 123456789012 eni-0a1b ${from} ${to} ${ports} ${rest}\n`;

const DEFAULT = [
  flow('10.0.0.5', '192.0.2.7', '45012 443'),
  flow('192.0.2.7', '10.0.0.5', '443 45012'),
  flow('2001:db8::5', '2001:db8:ffff::7', '45012 443', '17 10 840 1795168801 1795168861 ACCEPT OK'),
  flow('10.0.0.5', '198.51.100.9', '22 50000'),
  flow('10.0.0.5', '192.0.2.8', '45013 25', '6 1 40 1795168802 1795168803 REJECT OK'),
  flow('10.0.0.5', '192.0.2.9', '123 123', '17 1 76 1795168803 1795168803 ACCEPT OK'),
  flow('10.0.0.5', '192.0.2.10', '40000 50000'),
  flow('10.0.0.5', '192.0.2.11', '0 0', '1 1 84 1795168803 1795168803 ACCEPT OK'),
  '2 123456789012 eni-0a1b - - - - - - - 1795168800 1795168860 - NODATA\n',
  '2 123456789012 eni-0a1b - - - - - - - 1795168800 1795168860 - SKIPDATA\n',
].join('');

test('of the default fields, only flows that began here are taken, with what was rejected', async (t) => {
  const { result, rows } = await importSample(t, {
    files: { 'flows.log': DEFAULT },
    local: ['10.0.0.0/8', '2001:db8::/64'],
    columns: 'host, address, port, protocol, verdict',
  });
  assert.equal(result.format, 'vpc-flow');
  assert.deepEqual(rows, [
    'eni-0a1b|192.0.2.7|443|tcp|allow',
    'eni-0a1b|2001:db8:ffff::7|443|udp|allow',
    'eni-0a1b|192.0.2.8|25|tcp|deny',
    'eni-0a1b|192.0.2.9|123|udp|allow',
  ]);
  assert.deepEqual(Object.fromEntries(result.passed), {
    'flows that came in': 1,
    'answers to connections that came in': 1,
    'flows that may be answers: neither flags nor ports tell': 2,
    'times without flows': 1,
    'times of which AWS recorded not all flows (SKIPDATA)': 1,
  });
});

test('a first line names other fields: direction, flags, the instance and the real destination', async (t) => {
  const text = [
    'instance-id interface-id srcaddr dstaddr pkt-dstaddr srcport dstport protocol tcp-flags start end flow-direction action log-status',
    // The flags say what the ports do not.
    'i-0123 eni-0a1b 10.0.0.5 10.0.9.1 192.0.2.7 40000 50000 6 2 1795168800 1795168860 egress ACCEPT OK',
    'i-0123 eni-0a1b 10.0.0.5 192.0.2.8 192.0.2.8 45000 443 6 18 1795168800 1795168860 egress ACCEPT OK',
    'i-0123 eni-0a1b 192.0.2.9 10.0.0.5 10.0.0.5 45000 443 6 2 1795168800 1795168860 ingress ACCEPT OK',
    'i-0123 eni-0a1b 10.0.0.5 192.0.2.10 - 45000 443 6 3 1795168801 1795168860 egress ACCEPT OK',
  ].join('\n');
  const { result, rows } = await importSample(t, { files: { 'flows.log': text } });
  assert.deepEqual(rows, ['i-0123|192.0.2.7|50000|tcp', 'i-0123|192.0.2.10|443|tcp']);
  assert.deepEqual(Object.fromEntries(result.passed), {
    'answers to connections that came in': 1,
    'flows that came in': 1,
  });
});

test('what cannot be decided or read is named by file and line', async (t) => {
  const one = flow('10.0.0.5', '192.0.2.7', '45012 443');
  const cases: [string, string][] = [
    [one, 'f.log:1:1: no field says which way a flow goes Name the networks'],
    ['srcaddr dstaddr srcport dstport protocol start end\n', 'f.log:1:1: the field action is not in the log'],
  ];
  for (const [text, message] of cases) {
    const refusal = await refusalOf(t, { files: { 'f.log': text }, options: { skipBad: true } });
    assert.ok(refusal.startsWith(message), refusal);
  }
  const bad: [string, string][] = [
    [one.replace(' OK', ''), 'f.log:2:1: 13 fields, but 14 are expected'],
    [one.replace('1795168860', '1795168700'), 'f.log:2:1: end: it is before start'],
    [one.replace('ACCEPT', 'PASS'), 'f.log:2:1: action: it is neither ACCEPT nor REJECT'],
    [one.replace('10.0.0.5', 'web1'), 'f.log:2:1: srcaddr: it is no IP address'],
    [one.replace('443', '70000'), 'f.log:2:1: dstport: it is no number from 0 to 65535'],
  ];
  for (const [text, message] of bad) {
    const refusal = await refusalOf(t, { files: { 'f.log': one + text }, local: ['10.0.0.0/8'] });
    assert.ok(refusal.startsWith(message), refusal);
  }
});
