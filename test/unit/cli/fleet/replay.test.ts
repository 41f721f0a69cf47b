import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countDenied, judge, replayText } from '../../../../cli/fleet/operator/run/replay.ts';
import type { AggregateHosts, AggregateRow } from '../../../../fleet/wire/message.ts';
import { subjectBytes } from '../../../../fleet/wire/subject-document.ts';
import { parsePolicy } from '../../../../policy/file/parse.ts';
import type { Policy } from '../../../../policy/meaning/policy.ts';

function policyOf(...rules: string[]): Policy {
  const text = `version: 2\nnetwork:\n  mode: block\n  target: host\n  allow:\n${rules.join('\n')}\n`;
  const { policy, problems } = parsePolicy(text, 'test');
  assert.ok(policy, JSON.stringify(problems));
  return policy;
}

function rowOf(change: Partial<AggregateRow> & { user?: string }): AggregateRow {
  const { user = 'www-data', ...rest } = change;
  return {
    subject: subjectBytes({ command: 'curl', exe: '/usr/bin/curl', user, group: user }),
    address: Buffer.from([192, 0, 2, 1]),
    port: 443,
    protocol: 6,
    socket: '',
    verdict: 'ALLOW',
    count: 5,
    first: 1e15,
    last: 1e15 + 1e9,
    hours: 1,
    hosts: Buffer.from([0b11]),
    names: [],
    nameHosts: [],
    name: '',
    knownBy: 'NO_NAME',
    ages: [],
    ...rest,
  };
}

const HOSTS: AggregateHosts = {
  counted: ['web-1', 'web-2', 'web-3'].map((name) => ({ id: name, name, labels: {}, recordedHours: 30 })),
  uncounted: [],
};

test('what a policy would deny is listed for the hosts that did it', () => {
  const policy = policyOf('    - name: a\n      to: [{ cidr: [192.0.2.1] }]');
  const rows = [rowOf({}), rowOf({ address: Buffer.from([192, 0, 2, 2]), hosts: Buffer.from([0b101]) })];
  const found = judge(policy, 'web', HOSTS, rows);
  assert.deepEqual(
    found.denied.map(({ flows, host }) => [host, flows]),
    ['web-1', 'web-3'].map((host) => [host, ['/usr/bin/curl -> 192.0.2.2:443 tcp']]),
  );
  assert.equal(countDenied(found), 2);
  assert.match(replayText(found, '14d'), /what 3 hosts showed in 14d: 2 would be denied/);
  assert.deepEqual(found.holdOut, { alone: 0, shown: 4, hosts: 3 });
  const own = rowOf({ address: Buffer.from([192, 0, 2, 3]), hosts: Buffer.from([0b100]) });
  const more = judge(policy, 'web', HOSTS, [...rows, own]);
  assert.match(replayText(more, '14d'), /20 % of what a host did was shown by no other host/);
});

function deniedHosts(policy: Policy, row: AggregateRow): string[] {
  return judge(policy, 'web', HOSTS, [row]).denied.map(({ host }) => host);
}

test('rules for users, for names and for hosts are judged as the hosts would', () => {
  const byUser = policyOf('    - name: a\n      from: { user: [www-data] }');
  assert.equal(countDenied(judge(byUser, 'web', HOSTS, [rowOf({})])), 0);
  assert.equal(countDenied(judge(byUser, 'web', HOSTS, [rowOf({ user: 'backup' })])), 2);
  const byName = policyOf('    - name: a\n      to: [{ name: [api.example.com] }]');
  const named = rowOf({
    address: Buffer.from([93, 184, 216, 34]),
    names: ['api.example.com'],
    nameHosts: [2],
    name: 'api.example.com',
    knownBy: 'SELF',
    ages: [0, 10],
  });
  assert.equal(countDenied(judge(byName, 'web', HOSTS, [named])), 0);
  const unasked = { ...named, name: '', knownBy: 'NO_NAME' as const, ages: [] };
  assert.equal(countDenied(judge(byName, 'web', HOSTS, [unasked])), 2);
  const late = { ...named, ages: [0, 1_000_000] };
  assert.deepEqual(deniedHosts(byName, late), ['web-2']);
  // One host alone knows the name that the policy has: the other would be cut off.
  const [one, two] = ['www.example.com', 'api.example.com'];
  const other = { ...named, name: one, names: [two, one], nameHosts: [1, 2] };
  assert.ok(deniedHosts(byName, other).includes('web-2'));
  assert.deepEqual(deniedHosts(byName, { ...other, nameHosts: [2, 2] }), []);
  const byHost = policyOf('    - name: a\n      from: { host: [web-1] }');
  assert.deepEqual(deniedHosts(byHost, rowOf({})), ['web-2']);
});

test('without a host that has shown anything nothing is claimed', () => {
  const found = judge(policyOf('    - name: a'), 'web', { counted: [], uncounted: [] }, []);
  assert.match(replayText(found, '14d'), /tried on nothing/);
});
