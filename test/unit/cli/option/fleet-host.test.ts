/** Rules for named hosts of a fleet, judged on the record of one host. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { mountReason } from '../../profiler/fixture.ts';
import { directoryFor, record } from '../fixture.ts';

const MAIN = join(import.meta.dirname, '../../../../bundle/main.js');
const POLICY = `version: 2
network:
  mode: block
  target: host
  allow:
    - name: web
      from: { exe: [/usr/bin/curl], host: [role=web] }
      to: [{ cidr: [10.0.0.1] }]
    - name: mail
      from: { host: [mail-1] }
      to: [{ cidr: [10.0.0.2] }]
`;
const UNKNOWN =
  /^It is not known which host of a fleet this is: rules that allow named hosts something are left out/m;
const WEB = ['--host', 'web-1', '--host', 'role=web'];

/** Runs a command as a host that has joined a fleet, or as none: with a /var/lib of its own. */
async function hostOf(
  t: TestContext,
): Promise<(joined: boolean, ...command: string[]) => ReturnType<typeof spawnSync>> {
  const directory = directoryFor(t);
  writeFileSync(join(directory, 'policy.yaml'), POLICY, { mode: 0o600 });
  writeFileSync(join(directory, 'identity.json'), JSON.stringify({ hostId: 'id' }));
  const named = { id: 'id', name: 'web-1', labels: { role: 'web' } };
  writeFileSync(join(directory, 'host.json'), JSON.stringify(named));
  // The pre-flight looks at the last week.
  const time = (Date.now() - 3_600_000) * 1000;
  const db = await record(directory, [{ time }, { time }]);
  const script = `mount -t tmpfs none /var/lib && mkdir -p -m 700 /var/lib/bouheki/fleet &&
    if [ "$1" = true ]; then cp identity.json host.json /var/lib/bouheki/fleet; fi && shift && exec "$@"`;
  return (joined, name, ...args) => {
    const command = [process.execPath, MAIN, name!, 'policy.yaml', '--db', db, ...args];
    const own = ['--mount', 'sh', '-c', script, 'sh', String(joined), ...command];
    return spawnSync('unshare', own, { cwd: directory, encoding: 'utf8' });
  };
}

const CONNECTION = ['--to', '10.0.0.1:443', '--exe', '/usr/bin/curl'];
const COMMANDS: readonly string[][] = [
  ['drift'],
  ['simulate'],
  ['explain', ...CONNECTION],
  ['explain', '--exe', '/usr/bin/curl'],
];

test(
  'commands that judge a record do it as the host of the record would',
  { skip: mountReason() },
  async (t) => {
    const run = await hostOf(t);
    for (const command of COMMANDS) {
      const shown = command.join(' ');
      const none = run(false, ...command);
      assert.equal(none.status, 1, `${shown}: ${String(none.stdout)}${String(none.stderr)}`);
      assert.match(String(none.stderr), UNKNOWN, shown);
      for (const known of [run(true, ...command), run(false, ...command, ...WEB)]) {
        assert.equal(known.status, 0, `${shown}: ${String(known.stdout)}${String(known.stderr)}`);
        assert.doesNotMatch(String(known.stderr), UNKNOWN, shown);
        // What no rule of this host is for is not unused on it.
        assert.doesNotMatch(String(known.stdout), /mail/, shown);
      }
      const other = run(true, ...command, '--host', 'mail-1');
      assert.equal(other.status, 1, `${shown}: ${String(other.stdout)}${String(other.stderr)}`);
    }
  },
);

test(
  'the pre-flight judges as the host that would enforce, and says where it is not known',
  { skip: mountReason() },
  async (t) => {
    const run = await hostOf(t);
    const [none, known] = [run(false, 'enforce', '--dry-run'), run(true, 'enforce', '--dry-run')];
    assert.match(String(none.stderr), UNKNOWN);
    assert.match(String(none.stdout), /curl/);
    assert.doesNotMatch(String(known.stderr), UNKNOWN);
    assert.doesNotMatch(String(known.stdout), /curl/);
    const elsewhere = run(false, 'enforce', '--dry-run', '--fleet-dir', '.');
    assert.doesNotMatch(String(elsewhere.stderr), UNKNOWN);
    assert.doesNotMatch(String(elsewhere.stdout), /curl/);
  },
);
