import assert from 'node:assert/strict';
import test from 'node:test';
import { importSample, refusalOf } from './fixture.ts';

const TCP = 'src=10.0.0.5 dst=192.0.2.7 sport=45012 dport=443';
const BACK = 'src=192.0.2.7 dst=203.0.113.1 sport=443 dport=45012';
const NEW = `[1795168800.123456]\t    [NEW] ipv4     2 tcp      6 120 SYN_SENT ${TCP} [UNREPLIED] ${BACK}`;
const EVENTS = [
  NEW,
  `[1795168800.223456]\t [UPDATE] ipv4     2 tcp      6 60 SYN_RECV ${TCP} ${BACK}`,
  `[1795168801.123456]\t[DESTROY] ipv4     2 tcp      6 ${TCP} ${BACK} [ASSURED]`,
  // The same tuple, used again.
  NEW.replace('1795168800', '1795168810'),
  '[1795168811.000000]\t    [NEW] ipv6     10 udp      17 30 src=2001:db8::5 dst=2001:db8:ffff::7 sport=45013 dport=53 [UNREPLIED] src=2001:db8:ffff::7 dst=2001:db8::5 sport=53 dport=45013',
  // Without -o extended. Open before it was recorded.
  '[1795168812.000000]\t[DESTROY] udp      17 src=10.0.0.5 dst=192.0.2.9 sport=123 dport=123 src=192.0.2.9 dst=10.0.0.5 sport=123 dport=123',
  '[1795168813.000000]\t    [NEW] ipv4     2 tcp      6 120 SYN_SENT src=198.51.100.9 dst=10.0.0.5 sport=50000 dport=22 [UNREPLIED] src=10.0.0.5 dst=198.51.100.9 sport=22 dport=50000',
  '[1795168814.000000]\t    [NEW] ipv4     2 icmp     1 30 src=10.0.0.5 dst=192.0.2.8 type=8 code=0 id=7 [UNREPLIED] src=192.0.2.8 dst=10.0.0.5 type=0 code=0 id=7',
].join('\n');

const files = (text: string) => ({ files: { 'c.log': text }, options: { skipBad: true } });

test('each connection counts once, from its original direction', async (t) => {
  const { result, rows } = await importSample(t, {
    files: { 'conntrack.log': EVENTS },
    local: ['10.0.0.0/8', '2001:db8::/64'],
  });
  assert.equal(result.format, 'conntrack');
  assert.deepEqual(rows, [
    '10.0.0.5|192.0.2.7|443|tcp',
    '10.0.0.5|192.0.2.7|443|tcp',
    '2001:db8::5|2001:db8:ffff::7|53|udp',
    '10.0.0.5|192.0.2.9|123|udp',
    '10.0.0.5|192.0.2.8|0|icmp',
  ]);
  assert.deepEqual(Object.fromEntries(result.passed), {
    'later events of connections': 2,
    'connections that came in': 1,
  });
});

test('a connection that ends in the next file counts once', async (t) => {
  const [first, , third] = EVENTS.split('\n');
  const { result, rows } = await importSample(t, {
    files: { 'a.log': first!, 'b.log': third! },
    local: ['10.0.0.0/8'],
  });
  assert.deepEqual(rows, ['10.0.0.5|192.0.2.7|443|tcp']);
  assert.deepEqual(Object.fromEntries(result.passed), { 'later events of connections': 1 });
});

test('what cannot be decided or read is named by file and line', async (t) => {
  assert.match(
    await refusalOf(t, files(NEW)),
    /^c\.log:1:1: conntrack does not say which addresses are local/,
  );
  assert.match(
    await refusalOf(t, files(NEW.replace(/^\S+\s/, ''))),
    /^c\.log:1:1: no event has a time Write them with `conntrack -E -o timestamp`/,
  );
  const cases: [string, string][] = [
    [NEW.slice(0, 70), 'c.log:2:1: src= or dst= is missing'],
    [NEW.replace('[NEW]', ''), 'c.log:2:1: no event such as [NEW]'],
    [NEW.replace('src=10.0.0.5', 'src=web1'), 'c.log:2:1: src: it is no IP address'],
    [NEW.replace(':8:', '').replace('dport=443', 'dport=70000'), 'c.log:2:1: port: "70000" is no number'],
  ];
  for (const [text, message] of cases) {
    const refusal = await refusalOf(t, { files: { 'c.log': `${NEW}\n${text}` }, local: ['10.0.0.0/8'] });
    assert.ok(refusal.startsWith(message), refusal);
  }
});
