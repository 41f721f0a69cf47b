import type { Address } from '../value/address.ts';
import type { Prefix } from '../value/cidr.ts';
import type { PortRange } from '../value/port.ts';
import type { SocketKind } from '../value/socket-kind.ts';

/** What a rule says, and what a judged connection gets. */
export type Action = 'allow' | 'deny';
/** `monitor` records what would be denied; `block` denies it. */
export type Mode = 'monitor' | 'block';
/** A mode for some subjects, instead of that of the policy. */
export interface ModeEntry {
  /** Its own, or one made from its place (`modes[0]`). */
  name: string;
  from: From;
  mode: Mode;
}
/** What becomes of a policy that blocks when the process ends which enforces it: nothing is blocked, or all goes on. */
export type OnExit = 'release' | 'keep';
/** Which connections are judged: all, or only those of containers. */
export type Target = 'host' | 'container';

/**
 * The subject side of a box. Inside a list any entry may match; all named dimensions must match;
 * an absent dimension matches everything. `*` stands for any text in names, in paths of files within one step.
 */
export interface From {
  /** comm, compared on its first 15 bytes. Not a security boundary: any process can rename itself. */
  command?: string[];
  /**
   * Absolute path of the executable: on the host, or with `container` or `image` in the containers that they
   * name.
   */
  exe?: string[];
  /** Absolute path of the script that an interpreter runs, in the same place. */
  script?: string[];
  uid?: number[];
  /** Names of users: what ids they mean is a fact of the host. Never beside `uid` in a parsed policy. */
  user?: string[];
  gid?: number[];
  /** Names of groups, as `user`. */
  group?: string[];
  /** Container name. */
  container?: string[];
  image?: string[];
  /** systemd unit. */
  unit?: string[];
  /** Path in the cgroup v2 hierarchy, `/` first. */
  cgroup?: string[];
  /** Names of hosts, and labels of hosts in a fleet (`role=web`): see `host.ts`. */
  host?: string[];
}

/**
 * The destination side of a box. `except` is already subtracted from `prefixes`; an empty list matches
 * nothing.
 */
export interface To {
  prefixes?: Prefix[];
  /**
   * Patterns of DNS names by one of which the address must be known, beside `prefixes`; without these it must be
   * public. Only in an allow.
   */
  names?: string[];
  /** Beside `names`: seconds after the end of its TTL for which a name counts, or Infinity. Parsed policies have it. */
  keep?: number;
  ports?: PortRange[];
  /** IANA protocol numbers. */
  protocols?: number[];
  /** Instead of destinations: the kinds of sockets that may be opened. Nothing beside it is looked at. */
  sockets?: SocketKind[];
}

/** An AND of dimensions: the unit of a policy. A rule is `from` x (each entry of `to`, and its `sockets`). */
export interface Box {
  action: Action;
  /** Name of the rule, or one made from its place (`allow[0]`). */
  name: string;
  from: From;
  to: To;
  /** From when on it matches nothing, microseconds since the epoch. Only in an allow. Absent: never. */
  until?: number;
  /** What was carved out of the prefixes: for explanations, as the prefixes say what the box means. */
  except?: Prefix[];
  /** The sets that the file names in `to`, whose values are in it: for explanations too. Absent: none. */
  sets?: NamedSet[];
}

/** A set of a policy file, `@NAME`, and what it holds: values of one dimension. */
export interface NamedSet {
  name: string;
  to: Pick<To, 'prefixes' | 'ports' | 'names'>;
}

/** By whose answers, and for how long, addresses are known by names. */
export interface NameOptions {
  /** The resolvers whose answers count; `auto`: those that the host is set up with. */
  resolvers: ('auto' | Address)[];
  /** `keep` of the destinations that say nothing of it. */
  keep: number;
  /** Whether /etc/hosts of the host names addresses too. */
  hosts: boolean;
}

export interface LogOptions {
  format: 'json' | 'text' | 'ecs' | 'ocsf';
  level: 'debug' | 'info' | 'warn' | 'error';
  /** A file's path; undefined is standard output. */
  output?: string;
  labels: Record<string, string>;
}

/** A parsed policy of either version. A connection is allowed when some allow box and no deny box matches. */
export interface Policy {
  version: 1 | 2;
  mode: Mode;
  /** The first whose subject matches says what becomes of a denial, else `mode`. Never empty. */
  modes?: ModeEntry[];
  target: Target;
  /** Absent is `release`. */
  onExit?: OnExit;
  /** Deny boxes first, then allow boxes, each in the order of the file: the lowest that matches decides. */
  boxes: Box[];
  /** Absent where the policy says nothing of it: see `NAME_DEFAULTS`. */
  names?: NameOptions;
  log: LogOptions;
}

/** What users and groups are called where a connection was made: an id may have several names. */
export interface AccountTable {
  namesOf(kind: 'user' | 'group', id: number): readonly string[];
}

/** A DNS name by which an address is known when it is connected to. */
export interface KnownName {
  /** In ASCII, in lower case, without the last dot. */
  name: string;
  /** Seconds since the end of its TTL; 0 or less before. */
  age: number;
}

/**
 * One connection, or the opening of one socket, as a policy sees it. Absent text fields are unknown and match
 * no list.
 */
export interface Flow {
  command: string;
  exe?: string;
  script?: string;
  /** Real and effective ids. An allow needs both to match, a deny needs one. */
  uid: number;
  euid: number;
  gid: number;
  egid: number;
  /** Ids by which files are opened, a third that counts like the others; absent: the effective ones. */
  fsuid?: number;
  fsgid?: number;
  /** Supplementary groups: a deny needs one of them, an allow is not concerned. Absent: none. */
  groups?: readonly number[];
  /** What the ids are called. An id without a name, and any where this is absent, matches no list of names. */
  accounts?: AccountTable;
  container?: string;
  image?: string;
  unit?: string;
  cgroup?: string;
  /** Name and labels of the host that it is made on. Absent: not known, which a deny matches and an allow does not. */
  host?: readonly string[];
  /**
   * Whether the process runs in a container: with `target: container` other processes are not judged at all.
   */
  inContainer: boolean;
  address: Address;
  /** By what the address is known at that moment. Absent: by no name, and then no list of names matches. */
  names?: readonly KnownName[];
  /** 0 where the protocol has none. */
  port: number;
  protocol: number;
  /** When it is made, microseconds since the epoch. Absent: not known, and then no box matches that ends. */
  at?: number;
  /**
   * A socket of this kind is opened: only boxes with `sockets` match, and address, port and protocol say
   * nothing.
   */
  socket?: SocketKind;
  /**
   * A connect() that sends nothing, as of UDP: boxes are asked for the address alone, see `decidesIntent`.
   * Absent: not one.
   */
  intent?: boolean;
}

export interface Verdict {
  action: Action;
  /**
   * Index into `Policy.boxes` of the box that decided; undefined when no box matched (deny) or the target
   * exempts.
   */
  box?: number;
  /** Of a denial: index into `Policy.modes` of the entry that says what becomes of it. Absent: none, see `modeOf`. */
  modeEntry?: number;
}
