/** What a path in the cgroup v2 hierarchy tells about the processes in it. */
export interface CgroupMeaning {
  /** The innermost container. */
  container?: { runtime: string; id: string };
  /** The innermost systemd service or scope that holds no container. */
  unit?: string;
}

const ID = '[0-9a-f]{64}';

/** Names that runtimes give to a container's cgroup, after `.scope` is cut off. Monitors (conmon) are no containers. */
const CONTAINER_NAMES: ReadonlyArray<[pattern: RegExp, runtime: string]> = [
  [new RegExp(`^libpod-(${ID})$`), 'podman'],
  [new RegExp(`^docker-(${ID})$`), 'docker'],
  [new RegExp(`^cri-containerd-(${ID})$`), 'containerd'],
  [new RegExp(`:cri-containerd:(${ID})$`), 'containerd'],
  [new RegExp(`^crio-(${ID})$`), 'cri-o'],
];
const BARE_ID = new RegExp(`^${ID}$`);

/** Reads a path such as `/machine.slice/libpod-<id>.scope/container`, innermost name first. */
export function readCgroupPath(path: string): CgroupMeaning {
  const names = path.split('/').filter((name) => name !== '');
  const meaning: CgroupMeaning = {};
  for (let depth = names.length - 1; depth >= 0; depth -= 1) {
    const name = names[depth]!;
    const container = containerOf(name, names[depth - 1]);
    if (container) {
      meaning.container ??= container;
    } else if (/\.(service|scope)$/.test(name)) {
      meaning.unit ??= name;
    }
  }
  return meaning;
}

function containerOf(name: string, parent: string | undefined): CgroupMeaning['container'] {
  const bare = name.replace(/\.scope$/, '');
  for (const [pattern, runtime] of CONTAINER_NAMES) {
    const id = pattern.exec(bare)?.[1];
    if (id) return { runtime, id };
  }
  // With the cgroupfs driver the parent tells the runtime: docker/<id>, kubepods/.../pod<uid>/<id>, actions_job/<id>.
  if (!BARE_ID.test(bare) || parent === undefined) return undefined;
  if (parent === 'docker' || parent === 'actions_job') return { runtime: 'docker', id: bare };
  if (parent.startsWith('pod')) return { runtime: 'containerd', id: bare };
  return undefined;
}
