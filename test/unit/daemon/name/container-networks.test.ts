import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { ContainerNetworks } from '../../../../daemon/name/container-networks.ts';
import { NetworkWatch } from '../../../../daemon/name/network-watch.ts';
import { namespaceOf } from '../../../../host/namespace.ts';
import { type Address, formatAddress, parseAddress } from '../../../../policy/value/address.ts';

const AUTO = ['auto'] as const;

/** A program in a network namespace of its own that prints its first line when it is there. */
async function isolated(
  t: TestContext,
  script = 'echo; exec sleep 600',
): Promise<{ pid: number; number: number }> {
  const child: ChildProcess = spawn('unshare', ['--user', '--map-root-user', '--net', 'sh', '-c', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  await once(child.stdout!, 'data');
  return { pid: child.pid!, number: namespaceOf(child.pid!, 'net') };
}

class Runtime {
  readonly root = mkdtempSync(join(tmpdir(), 'bouheki-test-'));
  readonly pins = join(this.root, 'netns');
  readonly networks: ContainerNetworks;

  constructor(t: TestContext) {
    mkdirSync(this.pins);
    mkdirSync(join(this.root, 'tasks'));
    const file = (entry: string, name: string): string => join(this.root, 'tasks', entry, name);
    const path = join(this.root, 'tasks');
    const bundle = (entry: string) => ({
      // What the path of every process's cgroup has.
      id: '/',
      configs: [file(entry, 'config.json')],
      pidFile: file(entry, 'pid'),
    });
    this.networks = new ContainerNetworks({
      folders: () => [{ path, bundle }],
      roots: [this.root],
      pins: [this.pins],
      host: namespaceOf('self', 'net'),
    });
    t.after(() => {
      this.networks[Symbol.dispose]();
      rmSync(this.root, { recursive: true });
    });
  }

  /** Makes a container of a process. */
  run(name: string, pid: number, resolvConf: string, source?: string): void {
    const at = join(this.root, 'tasks', name);
    mkdirSync(at);
    writeFileSync(join(at, 'resolv.conf'), resolvConf);
    const mounts = [{ destination: '/etc/resolv.conf', source: source ?? join(at, 'resolv.conf') }];
    writeFileSync(
      join(at, 'config.json'),
      JSON.stringify({ linux: { namespaces: [{ type: 'network' }] }, mounts }),
    );
    writeFileSync(join(at, 'pid'), String(pid));
  }

  keep(name: string, pid: number): void {
    symlinkSync(`/proc/${pid}/ns/net`, join(this.pins, name));
  }

  /** Whose answers count, by number of the namespace. */
  resolvers(wanted: readonly ('auto' | Address)[] = AUTO): Record<number, string[]> {
    const all = this.networks.list.flatMap((each) => each.resolvers(wanted));
    const found: Record<number, string[]> = {};
    for (const { address, holder, namespace, near } of all)
      (found[namespace] ??= []).push(
        `${formatAddress(address)} ${near ? (holder ? 'held' : 'unheld') : 'far'}`,
      );
    return found;
  }
}

/** A container with a network of its own that has been looked at. */
async function withNetwork(t: TestContext): Promise<{ number: number; pid: number; runtime: Runtime }> {
  const runtime = new Runtime(t);
  const { number, pid } = await isolated(t);
  runtime.run('one', pid, 'nameserver 192.0.2.1\n');
  runtime.keep('kept', pid);
  runtime.networks.look(0);
  return { number, pid, runtime };
}

test('the resolvers of a container count in the network that its runtime keeps', async (t) => {
  const runtime = new Runtime(t);
  const { number, pid } = await isolated(t);
  // Beside the bundles, as podman has it.
  writeFileSync(join(runtime.root, 'tasks/volatile-containers.json'), '[]');
  runtime.run('one', pid, 'nameserver 192.0.2.1\nnameserver 127.0.0.11\n');
  runtime.networks.look(0);
  assert.deepEqual(runtime.resolvers(), {}, 'who made it is not known');
  assert.equal(runtime.networks.young(1).length, 1);
  runtime.keep('kept', pid);
  assert.equal(runtime.networks.lookAtYoung(1), true);
  assert.deepEqual(runtime.resolvers(), { [number]: ['192.0.2.1 far', '127.0.0.11 unheld'] });
  assert.equal(runtime.networks.lookAtYoung(2), false);
  const [far, near] = [parseAddress('198.51.100.1')!, parseAddress('127.0.0.53')!];
  assert.deepEqual(runtime.resolvers([far, near]), { [number]: ['198.51.100.1 far'] });
  // A second container in it, as of a pod.
  runtime.run('two', pid, 'nameserver 192.0.2.1\n');
  runtime.networks.look(3);
  assert.equal(runtime.networks.list.length, 1);
});

test("a container in the host's network, and one that has left its network, change nothing", async (t) => {
  const runtime = new Runtime(t);
  const { pid } = await isolated(t);
  runtime.run('host', process.pid, 'nameserver 192.0.2.1\n');
  runtime.run('own', pid, 'nameserver 192.0.2.1\n');
  runtime.keep('host', process.pid);
  // It has made one of its own, which no runtime keeps.
  const { pid: other } = await isolated(t);
  runtime.keep('first', other);
  runtime.networks.look(0);
  assert.deepEqual(runtime.resolvers(), {});
});

test('a resolv.conf that was written in the container names nobody, and a later one takes nobody away', async (t) => {
  const { number, pid, runtime } = await withNetwork(t);
  const path = join(runtime.root, 'tasks/one/resolv.conf');
  // Of the time of a file the kernel keeps some milliseconds.
  await new Promise((resolve) => setTimeout(resolve, 30));
  writeFileSync(path, 'nameserver 198.51.100.66\nnameserver 127.0.0.1\n');
  runtime.networks.look(1000);
  assert.deepEqual(runtime.resolvers(), { [number]: ['192.0.2.1 far', '127.0.0.1 unheld'] });
  assert.equal(runtime.networks.list[0]!.rewritten, path);
  // One more container in it, with a file of its own, and one with that of the first.
  runtime.run('two', pid, 'nameserver 203.0.113.1\n');
  runtime.run('three', pid, '', path);
  runtime.networks.look(2000);
  assert.deepEqual(runtime.resolvers(), {
    [number]: ['192.0.2.1 far', '203.0.113.1 far', '127.0.0.1 unheld'],
  });
});

test('the number of a network that ended is kept from others until it is released', async (t) => {
  const { number, pid, runtime } = await withNetwork(t);
  assert.deepEqual([...runtime.networks.ended], []);
  rmSync(join(runtime.pins, 'kept'));
  process.kill(pid, 'SIGKILL');
  rmSync(join(runtime.root, 'tasks/one'), { recursive: true });
  assert.equal(runtime.networks.lookAtYoung(1), true);
  assert.deepEqual(runtime.resolvers(), {});
  assert.deepEqual([...runtime.networks.ended], [number]);
  for (let round = 0; round < 5; round += 1) assert.notEqual((await isolated(t)).number, number);
  runtime.networks.release();
  assert.deepEqual([...runtime.networks.ended], []);
});

test('a network is found as soon as its container begins, also one that begins again', async (t) => {
  const runtime = new Runtime(t);
  const found: string[] = [];
  const watch = new NetworkWatch(runtime.networks, () =>
    found.push(Object.values(runtime.resolvers()).join()),
  );
  t.after(() => watch[Symbol.dispose]());
  const until = async (text: string): Promise<void> => {
    while (found.at(-1) !== text) await new Promise((resolve) => setTimeout(resolve, 1));
  };
  watch.look();
  const first = await isolated(t);
  runtime.keep('kept', first.pid);
  runtime.run('one', first.pid, 'nameserver 192.0.2.1\n');
  await until('192.0.2.1 far');
  rmSync(join(runtime.pins, 'kept'));
  await until('');
  runtime.networks.release();
  const second = await isolated(t);
  runtime.keep('again', second.pid);
  writeFileSync(join(runtime.root, 'tasks/one/pid'), String(second.pid));
  await until('192.0.2.1 far');
});
