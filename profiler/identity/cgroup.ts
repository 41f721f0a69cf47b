/** A container as the name of its cgroup identifies it. */
export interface CgroupContainer {
  runtime: string;
  /** 64 hex digits; for LXC and systemd-nspawn, whose containers have no id, the name. */
  id: string;
  /** Path of the cgroup that the runtime named. */
  path: string;
  /**
   * Whose systemd it belongs to, where that is not root's: a user can give any name to a cgroup. -1: not
   * known.
   */
  user?: number;
}

/** What a path in the cgroup v2 hierarchy says about the processes in it. */
export interface CgroupMeaning {
  /** The outermost container: the one that a runtime of this host has made. */
  container?: CgroupContainer;
  /** The innermost container, where a container holds others. */
  inner?: CgroupContainer;
  /**
   * The systemd service or scope of the host that holds the processes: the outermost one, since users and
   * containers may make others in their own with names of their choice.
   */
  unit?: string;
}

const ID = '[0-9a-f]{64}';

/**
 * Names that runtimes give to a container's cgroup, after `.scope` is cut off. Monitors (conmon) are no
 * containers.
 */
const CONTAINER_NAMES: ReadonlyArray<[pattern: RegExp, runtime: string]> = [
  // `payload` with `--cgroups=split`, which is what systemd units of podman (Quadlet) use.
  [new RegExp(`^libpod-(?:payload-)?(${ID})$`), 'podman'],
  [new RegExp(`^docker-(${ID})$`), 'docker'],
  [new RegExp(`^cri-containerd-(${ID})$`), 'containerd'],
  [new RegExp(`:cri-containerd:(${ID})$`), 'containerd'],
  [new RegExp(`^nerdctl-(${ID})$`), 'containerd'],
  [new RegExp(`^crio-(${ID})$`), 'cri-o'],
  [/^lxc\.payload\.(.+)$/, 'lxc'],
];
/**
 * With the cgroupfs driver the parent names the runtime: docker/<id>, kubepods/.../pod<uid>/<id>,
 * actions_job/<id>.
 */
const PARENTS: ReadonlyArray<[pattern: RegExp, runtime: string]> = [
  [/^(docker|actions_job)$/, 'docker'],
  [/^(pod|(k8s\.io|default)$)/, 'containerd'],
];
const BARE_ID = new RegExp(`^${ID}$`);
/**
 * Machines of systemd; libvirt's (`qemu-`) are virtual ones. Their manager runs beside the container, as
 * `supervisor`. systemd-nspawn that registers none (`--register=no`) calls the scope by the bare name.
 */
const MACHINE = /^(?:machine-(?!qemu\\x2d)(.+)\.scope|systemd-nspawn@(.+)\.service)$/;
const UNREGISTERED = /^(.+)\.scope$/;
const MACHINES = 'machine.slice';
/**
 * What stands for the upper end of a path that is too deep for the kernel side: a name below it may be of any
 * user's choice.
 */
const CUT = '...';
const USER_MANAGER = /^user@(\d+)\.service$/;

/** Reads a path such as `/machine.slice/libpod-<id>.scope/container`. */
export function readCgroupPath(path: string): CgroupMeaning {
  const names = path.split('/').filter((name) => name !== '');
  const meaning: CgroupMeaning = {};
  const cut = names[0] === CUT;
  let user = cut ? -1 : undefined;
  for (const [depth, name] of names.entries()) {
    const found = containerOf(name, names[depth - 1], names[depth + 1]);
    if (found) {
      const container: CgroupContainer = { ...found, path: `/${names.slice(0, depth + 1).join('/')}` };
      if (user) container.user = user;
      if (meaning.container) meaning.inner = container;
      else meaning.container = container;
    } else if (!cut && !meaning.container && /\.(service|scope)$/.test(name)) {
      meaning.unit ??= name;
      // Any service may make cgroups of this name, but systemd's own is not in a service.
      user ??= Number(USER_MANAGER.exec(name)?.[1] ?? 0);
    }
  }
  return meaning;
}

function containerOf(
  name: string,
  parent: string | undefined,
  child: string | undefined,
): Pick<CgroupContainer, 'runtime' | 'id'> | undefined {
  const bare = name.replace(/\.scope$/, '');
  for (const [pattern, runtime] of CONTAINER_NAMES) {
    const id = pattern.exec(bare)?.[1];
    if (id) return { runtime, id };
  }
  const bareName = parent === MACHINES && child === 'payload';
  const machine = MACHINE.exec(name) ?? (bareName ? UNREGISTERED.exec(name) : null);
  if (machine && child !== 'supervisor') {
    return { runtime: 'nspawn', id: unescapeUnit(machine[1] ?? machine[2]!) };
  }
  if (!BARE_ID.test(bare) || parent === undefined) return undefined;
  const runtime = PARENTS.find(([pattern]) => pattern.test(parent))?.[1];
  return runtime === undefined ? undefined : { runtime, id: bare };
}

/** The text of a part of a unit's name: `web\x2d1` is web-1. */
function unescapeUnit(text: string): string {
  return text.replace(/\\x([0-9a-f]{2})/g, (_, code: string) =>
    String.fromCharCode(Number.parseInt(code, 16)),
  );
}
