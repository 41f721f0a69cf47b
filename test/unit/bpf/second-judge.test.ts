/** The second judge where the first one was always left out, on a cgroup of this test's own. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';
import { SystemError } from '../../../bpf/libbpf.ts';
import { applyPolicy } from '../../../enforcer/apply.ts';
import { compilePolicy } from '../../../enforcer/compile.ts';
import { cgroupRoot } from '../../../host/cgroup-root.ts';
import { parsePolicy } from '../../../policy/file/parse.ts';
import { SecondProgram } from './second-program.ts';

const SOURCES = join(import.meta.dirname, '../../../../bpf/program');
const CGROUP = join(cgroupRoot(), `bouheki-test-${process.pid}`);

/** The names of all programs of the object, from its sources. */
function programs(): string[] {
  const sources = ['egress.bpf.c', ...readdirSync(join(SOURCES, 'subject')).map((name) => `subject/${name}`)];
  return sources.flatMap((name) =>
    [...readFileSync(join(SOURCES, name), 'utf8').matchAll(/^int (?:BPF_PROG\()?(\w+)/gm)].map(
      ([, word]) => word!,
    ),
  );
}

const PYTHON = `
import errno, json, os, socket, sys
def tried(what):
    try:
        what()
        return 'done'
    except ConnectionRefusedError:
        return 'done'
    except OSError as error:
        return errno.errorcode[error.errno]
inet, inet6 = socket.AF_INET, socket.AF_INET6
udp = lambda family=inet: socket.socket(family, socket.SOCK_DGRAM)
tcp = lambda family=inet: socket.socket(family, socket.SOCK_STREAM)
with open(sys.argv[1] + '/cgroup.procs', 'w') as procs:
    procs.write(str(os.getpid()))
connected = udp()
outcome = {
    'tcp': tried(lambda: tcp().connect(('127.0.0.7', 9))),
    'tcp6': tried(lambda: tcp(inet6).connect(('::1', 9))),
    'mapped': tried(lambda: tcp(inet6).connect(('::ffff:127.0.0.7', 9))),
    'sendto': tried(lambda: udp().sendto(b'x', ('127.0.0.7', 9))),
    'sendto6': tried(lambda: udp(inet6).sendto(b'x', ('::1', 9))),
    'intent': tried(lambda: udp().connect(('127.0.0.7', 9))),
    'raw': tried(lambda: socket.socket(inet, socket.SOCK_RAW, 1)),
    'allowed intent': tried(lambda: connected.connect(('127.0.0.8', 9))),
    # Nobody has judged this one, and a packet has no process that it could be judged by.
    'unjudged': tried(lambda: connected.send(b'x')),
    'allowed tcp': tried(lambda: tcp().connect(('127.0.0.8', 9))),
    'allowed sendto': tried(lambda: udp().sendto(b'x', ('127.0.0.8', 9))),
}
print(json.dumps(outcome))
`;

/** How each attempt of a process in the cgroup ended. */
function outcome(): Record<string, string> {
  const { stderr, stdout } = spawnSync('python3', ['-c', PYTHON, CGROUP], { encoding: 'utf8' });
  assert.equal(stderr, '');
  return JSON.parse(stdout) as Record<string, string>;
}

/** The loaded programs, or why this user may not load any. */
function load(): SecondProgram | string {
  mkdirSync(CGROUP);
  try {
    return new SecondProgram(CGROUP, programs());
  } catch (error) {
    rmdirSync(CGROUP);
    const { cause } = error as { cause?: unknown };
    if (!(cause instanceof SystemError) || !cause.message.endsWith('EPERM')) throw error;
    return `the kernel does not let this user load BPF programs (${cause.message})`;
  }
}

const loaded = process.getuid!() === 0 ? load() : 'it takes root';

suite('the second judge alone', { skip: typeof loaded === 'string' && loaded }, () => {
  const second = loaded as SecondProgram;
  after(() => {
    second[Symbol.dispose]();
    rmdirSync(CGROUP);
  });

  const apply = (mode: 'block' | 'monitor', modes = ''): void => {
    const text = `version: 2\nnetwork:\n  mode: ${mode}\n${modes}  allow: [{ to: [{ cidr: [127.0.0.8, 127.0.0.9] }] }]\n`;
    const { policy } = parsePolicy(text, 'test');
    const compiled = compilePolicy(policy!, () => undefined);
    applyPolicy(second.egress, compiled, {
      mode,
      modes: policy!.modes,
      target: 'host',
      record: true,
      cgroups: [],
    });
  };

  test('denies what the policy does, and nothing else', () => {
    apply('block');
    const denied = ['tcp', 'tcp6', 'mapped', 'sendto', 'sendto6', 'intent', 'raw', 'unjudged'];
    const allowed = ['allowed intent', 'allowed tcp', 'allowed sendto'];
    assert.deepEqual(outcome(), {
      ...Object.fromEntries(denied.map((name) => [name, 'EPERM'])),
      ...Object.fromEntries(allowed.map((name) => [name, 'done'])),
    });
  });

  test('denies nothing where the policy only monitors', () => {
    apply('monitor');
    assert.deepEqual([...new Set(Object.values(outcome()))], ['done']);
  });

  test('denies nothing to who is only monitored, and drops what shows no subject and nobody has judged', () => {
    apply('block', '  modes: [{ from: { uid: [0] }, mode: monitor }]\n');
    const { unjudged, ...others } = outcome();
    assert.deepEqual([...new Set(Object.values(others))], ['done']);
    assert.equal(unjudged, 'EPERM');
  });
});
