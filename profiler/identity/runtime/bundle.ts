import { createHash } from 'node:crypto';
import { existsSync, fstatSync, readdirSync, readFileSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import { TrustedFile } from '../../../host/trusted-file.ts';

/** What a runtime hands to runc or crun to make a container: its files, which no process in the container can change. */
export interface Bundle {
  id: string;
  /** Where the specification lies; one of them exists. */
  configs: readonly string[];
  /** Holds the pid of the first process. It is written when that exists, and before it runs anything of the image. */
  pidFile: string;
}

/** A folder with an entry for each container. */
export interface BundleFolder {
  path: string;
  bundle(entry: string): Bundle;
}

/** What is read of a specification: see config.md of opencontainers/runtime-spec. */
interface Specification {
  linux?: { namespaces?: { type: string; path?: string }[] };
  mounts?: { destination?: string; source?: string }[];
}

/** The network of a container, as its runtime has made it. */
export interface BundleNetwork {
  /** First process in the container. */
  pid: number;
  /** When its number was written, milliseconds since the epoch. */
  since: number;
  /** The file that lies at /etc/resolv.conf in the container, by its path on the host. Undefined: that of the image. */
  resolvConf: string | undefined;
}

/** Where containerd keeps what runs: its own, those of k3s and RKE2, k0s and MicroK8s, and the one that docker starts. */
const TASKS = [
  '/run/containerd',
  '/run/k3s/containerd',
  '/run/k0s/containerd',
  '/var/snap/microk8s/common/run/containerd',
  '/run/docker/containerd/daemon',
].map((state) => join(state, 'io.containerd.runtime.v2.task'));
/** Where podman and CRI-O do, while it runs and for good. */
const STORAGE = '/run/containers/storage';
const LASTING = '/var/lib/containers/storage';

/** No runtime has more of them. */
const MOST_PARENTS = 64;
/** No resolv.conf has more. */
const MOST_BYTES = 1 << 16;

/** The folders that hold the bundles of all containers that runtimes of root have made; those that exist now. */
export function bundleFolders(tasks = TASKS, storage = STORAGE, lasting = LASTING): BundleFolder[] {
  const ofContainerd = tasks.flatMap((state) =>
    entriesOf(state)
      .slice(0, MOST_PARENTS)
      .map((space): BundleFolder => {
        const path = join(state, space);
        const file = (id: string, name: string): string => join(path, id, name);
        return {
          path,
          bundle: (id) => ({ id, configs: [file(id, 'config.json')], pidFile: file(id, 'init.pid') }),
        };
      }),
  );
  const stored = entriesOf(storage)
    .filter((entry) => entry.endsWith('-containers'))
    .map((driver): BundleFolder => {
      const path = join(storage, driver);
      return {
        path,
        bundle: (id) => ({
          id,
          configs: [lasting, storage].map((root) => join(root, driver, id, 'userdata/config.json')),
          pidFile: join(path, id, 'userdata/pidfile'),
        }),
      };
    });
  return [...ofContainerd, ...stored].filter(({ path }) => isOfRoot(path));
}

/** Where such folders appear, with the first container of a runtime. */
export const BUNDLE_ROOTS: readonly string[] = [...TASKS, STORAGE];

/** The bundles in a folder now. */
export function bundlesIn({ bundle, path }: BundleFolder): Bundle[] {
  try {
    const entries = readdirSync(path, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => bundle(name));
  } catch {
    return [];
  }
}

/** The names in a folder; none where there is no such folder. */
export function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** What there is at a path; undefined where there is nothing, or nothing that can be reached. */
export function statsOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

/** Whether root alone can put something into a folder. */
export function isOfRoot(folder: string): boolean {
  const stats = statsOf(folder);
  return stats !== undefined && stats.uid === 0 && (stats.mode & 0o022) === 0;
}

/** `host`: the container has no network of its own. Undefined where it has no first process, or none any more. */
export function readNetwork({ configs, id, pidFile }: Bundle): BundleNetwork | 'host' | undefined {
  try {
    const since = statSync(pidFile).ctimeMs;
    const pid = Number(readFileSync(pidFile, 'utf8'));
    const { linux, mounts } = specificationOf(configs);
    // Left over from a container that ended without a word.
    if (!readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(id)) return undefined;
    if (!linux?.namespaces?.some(({ type }) => type === 'network')) return 'host';
    const mount = mounts?.find(({ destination }) => destination === '/etc/resolv.conf');
    return { pid, since, resolvConf: mount?.source };
  } catch {
    // Not there yet, being written, or gone.
    return undefined;
  }
}

function specificationOf(configs: readonly string[]): Specification {
  const config = configs.find((path) => existsSync(path));
  return config === undefined ? {} : (JSON.parse(readFileSync(config, 'utf8')) as Specification);
}

/** What a resolv.conf says, and whether somebody in the container may have written it. */
export interface ResolvConf {
  text: string;
  /**
   * Root of the container can write its /etc/resolv.conf, which is this file. It is as the runtime wrote it where it is
   * no younger than the container, or where docker keeps its sum beside it, which is not in the container.
   */
  asWritten: boolean;
}

/** Undefined where there is none, and where others than root can write it on the host. `since`: see BundleNetwork. */
export function readResolvConf(path: string, since: number): ResolvConf | undefined {
  try {
    using file = TrustedFile.open(path);
    const text = file.read(MOST_BYTES).toString('utf8');
    // Looked at behind the reading: who writes meanwhile makes it younger.
    return { text, asWritten: fstatSync(file.fd).ctimeMs <= since || hasSum(path, text) };
  } catch {
    return undefined;
  }
}

function hasSum(path: string, text: string): boolean {
  const file = `${path}.hash`;
  if (!existsSync(file)) return false;
  const kept = readFileSync(file, 'utf8')
    .trim()
    .replace(/^sha256:/, '');
  return kept === createHash('sha256').update(text).digest('hex');
}
