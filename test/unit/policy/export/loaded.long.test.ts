/** What is exported is loaded by what it is for; nftables and iptables then let through and stop what the policy says. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { exportPolicy } from '../../../../policy/export/target.ts';
import { parsePolicy } from '../../../../policy/file/parse.ts';
import { evaluate } from '../../../../policy/meaning/evaluate.ts';
import { parseAddress } from '../../../../policy/value/address.ts';
import { PROTOCOL_NUMBERS } from '../../../../policy/value/protocol.ts';
import { type Attempt, ATTEMPTS, POLICY, SERVERS, TRY } from './attempts.ts';

const ROOT = join(import.meta.dirname, '../../../../..');
const place = mkdtempSync(join(tmpdir(), 'bouheki-export-'));
after(() => rmSync(place, { recursive: true }));

const { policy } = parsePolicy(POLICY, 'policy.yaml');
assert.ok(policy);

/** Runs a shell script as root with a network of its own, where servers have every address; all ends with it. */
function inNetwork(script: string): { status: number | null; stdout: string; stderr: string } {
  const begin = `hostname bouheki-vm && mount -t tmpfs tmpfs /run && test/vm/network start ${SERVERS.join(' ')}`;
  const spaces = ['--net', '--uts', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
  return spawnSync('unshare', [...spaces, 'sh', '-c', `set -e\n${begin}\n${script}`], {
    cwd: ROOT,
    encoding: 'utf8',
    timeout: 120_000,
    killSignal: 'SIGKILL',
  });
}

const able = inNetwork('nft list ruleset && iptables -S && ip6tables -S');
const skip = able.status === 0 ? false : `no network of our own with packet filters here: ${able.stderr}`;

function written(target: 'nftables' | 'iptables' | 'ip6tables'): string {
  const { notes, text } = exportPolicy(policy!, target);
  assert.deepEqual(notes, []);
  const file = join(place, target);
  writeFileSync(file, text);
  return file;
}

function allowed({ address, port, protocol, uid }: Attempt): boolean {
  const ids = { uid, euid: uid, gid: uid, egid: uid };
  const to = { address: parseAddress(address)!, port, protocol: PROTOCOL_NUMBERS[protocol]! };
  return evaluate(policy!, { command: 'python3', inContainer: false, ...ids, ...to }).action === 'allow';
}

/** The attempts that reach a server, after these commands. */
function reached(prepare: string): Attempt[] {
  writeFileSync(join(place, 'try.py'), TRY);
  const { status, stderr, stdout } = inNetwork(
    `${prepare}\npython3 -I -S ${join(place, 'try.py')} '${JSON.stringify(ATTEMPTS)}'`,
  );
  assert.equal(status, 0, stderr);
  const answers = JSON.parse(stdout.trim().split('\n').at(-1)!) as boolean[];
  return ATTEMPTS.filter((_, at) => answers[at]);
}

test('without a filter every attempt reaches a server', { skip }, () => {
  assert.deepEqual(reached(''), ATTEMPTS);
});

test('nftables', { skip }, () => {
  const file = written('nftables');
  assert.deepEqual(reached(`nft -c -f ${file}; nft -f ${file}`), ATTEMPTS.filter(allowed));
  // Loaded again it replaces itself.
  const again = reached(`nft -f ${file}; nft -f ${file}; nft delete table inet bouheki`);
  assert.deepEqual(again, ATTEMPTS);
});

test('iptables and ip6tables', { skip }, () => {
  const load = (['iptables', 'ip6tables'] as const).map((name) => {
    const restore = `${name}-restore --noflush`;
    const file = written(name);
    return `${restore} --test ${file}; ${restore} ${file}; ${name} -I OUTPUT -j BOUHEKI; ${restore} ${file}`;
  });
  assert.deepEqual(reached(load.join('\n')), ATTEMPTS.filter(allowed));
});

test('systemd reads a drop-in without a word', (t) => {
  const unit = join(place, 'loaded.service');
  mkdirSync(`${unit}.d`);
  writeFileSync(unit, '[Service]\nExecStart=/bin/sh -c :\n');
  const dropIn = `${unit}.d/egress.conf`;
  const verify = () =>
    spawnSync('systemd-analyze', ['verify', unit], {
      encoding: 'utf8',
      env: { ...process.env, SYSTEMD_UNIT_PATH: `${place}:` },
    });
  writeFileSync(dropIn, '[Service]\nIPAddressAllow=nowhere\n');
  const wrong = verify();
  if (wrong.error !== undefined) return t.skip('no systemd-analyze here');
  assert.match(wrong.stderr, /egress\.conf.*nowhere/);
  writeFileSync(dropIn, exportPolicy(policy!, 'systemd').text);
  const { status, stderr } = verify();
  assert.equal(stderr, '');
  assert.equal(status, 0);
});
