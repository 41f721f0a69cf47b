/**
 * Mirror of wire.h, which documents every field. A test compares it with the BTF of the compiled object.
 */

export const MAX_BOXES = 512;
export const VECTOR_WORDS = 8;
export const MAX_INTERVALS = 262_144;
export const MAX_ADDRESS_CLASSES = 16_384;
export const MAX_PORT_CLASSES = 2048;
export const MAX_SUBJECT_KEYS = 65_536;
export const MAX_USER_CGROUPS = 16_384;
export const MAX_EXPECTED_CGROUPS = 8192;
export const EXPECTED_NAME_SIZE = 64;
export const CGROUP_LISTED_EVERY = 8;
export const COMM_SIZE = 16;
export const PATH_SIZE = 256;
export const ANCESTORS = 3;
export const ANCESTOR_PATH_SIZE = 128;
export const MAX_GROUPS = 64;
export const MAX_FOLDS = 16_384;
export const SHARE_FOLDS = 256;
export const MAX_REPEATS = 8192;
export const SHARE_REPEATS = 1024;
export const MAX_NAME_CLASSES = 4096;
export const MAX_ENDS = 511;
export const MAX_KEEPS = 7;
export const MAX_PATTERNS = 65_536;
export const MAX_KNOWN = 131_072;
export const KNOWN_OF_SIDE = 65_536;
export const KNOWN_OF_CLASS = 16_384;
export const ESTABLISHED_SECONDS = 86_400;
export const NAME_SLOTS = 4;
export const LONG_MESSAGE = 2048;

export const RecordKind = { connection: 1, process: 2, cgroup: 3, excess: 4, answer: 5 } as const;
/** Added to `control.version` to have subjects worked out anew. */
export const VERSION_SUBJECTS = 1n << 32n;
export const NO_BOX = 0xffff_ffff;
export const CANARY_ADDRESS = '192.0.2.1';

export const ConnectionFlag = { blocked: 1, judged: 2, inContainer: 4, named: 8 } as const;

export const ProcessFlag = {
  inContainer: 1,
  memfd: 2,
  deleted: 4,
  secureExec: 8,
  pathTruncated: 16,
  primed: 32,
  foreignMount: 64,
  pathNames: 128,
  unknown: 256,
  foreignUsers: 512,
  foreignRoot: 4096,
  sharesMemory: 8192,
  otherRoot: 16384,
  pathGone: 32768,
  script: 1024,
  scriptLost: 2048,
} as const;

export const SubjectKind = {
  uid: 0,
  gid: 1,
  exe: 2,
  command: 3,
  commandPrefix: 4,
  cgroup: 5,
  script: 6,
  exeInside: 7,
  exeObject: 8,
  exeInsideObject: 9,
} as const;
export const SUBJECT_KINDS = 8;

export const PORT_SLOTS = 5;
/** IANA protocol number to place in `tables.port_class`. */
export const PORT_SLOT: ReadonlyMap<number, number> = new Map([
  [6, 0],
  [17, 1],
  [132, 2],
  [136, 3],
  [33, 4],
]);

export const SocketKind = { raw: 1, packet: 2, other: 3, 'source-route': 4 } as const;
export const SOCKET_KINDS = 8;

export const SideFlag = { policy: 1, block: 2, containers: 4, record: 8, monitors: 16 } as const;

export const Counter = {
  lostConnection: 0,
  lostDenial: 1,
  lostProcess: 2,
  lostIdentity: 3,
  lostSubject: 4,
  stoppedPacket: 5,
  lostCgroup: 6,
  stoppedRoute: 7,
  skippedRun: 8,
  stoppedUnjudged: 9,
} as const;
export const COUNTERS = 10;

export const NameCounter = {
  lostAnswer: 0,
  cutAnswer: 1,
  unaskedAnswer: 2,
  lostQuery: 3,
  foreignAnswer: 4,
  unlistedAnswer: 5,
  strayedAnswer: 6,
  doubtedAnswer: 7,
  impostor: 8,
  knownFull: 9,
  patternFull: 10,
  addressFull: 11,
} as const;
export const NAME_COUNTERS = 12;

export const AnswerFlag = { stream: 1, near: 2, trusted: 4, doubted: 8 } as const;

/** Bytes of one element and number of elements. */
type Field = readonly [size: 1 | 2 | 4 | 8, count?: number];

/**
 * Offsets of the fields of a struct, and its size; natural alignment, no implicit padding inside our structs.
 */
export interface Layout<Name extends string> {
  readonly offset: Readonly<Record<Name, number>>;
  readonly size: number;
}

function layout<Name extends string>(fields: Record<Name, Field>): Layout<Name> {
  const offset = {} as Record<Name, number>;
  let end = 0;
  let widest = 1;
  for (const name of Object.keys(fields) as Name[]) {
    const [size, count = 1] = fields[name];
    end = Math.ceil(end / size) * size;
    offset[name] = end;
    end += size * count;
    widest = Math.max(widest, size);
  }
  return { offset, size: Math.ceil(end / widest) * widest };
}

export const Connection = layout({
  kind: [1],
  operation: [1],
  verdict: [1],
  flags: [1],
  family: [1],
  pad: [1, 3],
  time: [8],
  process: [8],
  address: [1, 16],
  uid: [4],
  euid: [4],
  fsuid: [4],
  gid: [4],
  egid: [4],
  fsgid: [4],
  pid: [4],
  box: [4],
  port: [2],
  protocol: [2],
  generation: [4],
  comm: [1, COMM_SIZE],
});

export const Ancestor = layout({
  started: [8],
  pid: [4],
  flags: [4],
  comm: [1, COMM_SIZE],
  path: [1, ANCESTOR_PATH_SIZE],
});

export const Process = layout({
  kind: [1],
  pad: [1, 3],
  flags: [4],
  time: [8],
  key: [8],
  started: [8],
  cgroup: [8],
  inode: [8],
  device: [4],
  pid: [4],
  parent_pid: [4],
  mount_namespace: [4],
  pid_namespace: [4],
  network_namespace: [4],
  comm: [1, COMM_SIZE],
  parent_comm: [1, COMM_SIZE],
  nodename: [1, 64],
  path: [1, PATH_SIZE],
  script: [1, PATH_SIZE],
  arguments: [1, 256],
  cgroup_path: [1, 512],
  ancestors: [8, (ANCESTORS * Ancestor.size) / 8],
});

export const CgroupMade = layout({ kind: [1], pad: [1, 7], cgroup: [8], cgroup_path: [1, 512] });

/** The message is behind it. */
export const Answer = layout({
  kind: [1],
  family: [1],
  flags: [1],
  pad: [1],
  length: [4],
  time: [8],
  started: [8],
  cgroup: [8],
  pid: [4],
  network_namespace: [4],
  resolver: [8, 2],
  message: [1, 0],
});

export const KnownKey = layout({ side: [4], network_namespace: [4], high: [8], low: [8] });

export const KnownAddress = layout({ slot: [8, NAME_SLOTS], class: [4], pad: [4] });

export const PatternKey = layout({ bits: [4], text: [1, 256] });

export const ResolverKey = layout({ address: [8, 2], network_namespace: [4], family: [4] });

export const ResolverValue = layout({
  doubted: [8],
  cgroup: [8],
  uid: [4],
  process_uid: [4],
  near: [4],
  pad: [4],
});

export const Naming = layout({
  host_namespace: [4],
  block: [4],
  sides: [4, 2],
  keep: [4, 2],
  known: [4, 2],
  known_of_class: [4, 2 * MAX_NAME_CLASSES],
});

export const GUARD_COMMAND = 0x6268;
export const GUARD_MOUNTS = 8;
export const GuardedKind = { map: 1, program: 2, link: 3 } as const;

export const Guarded = layout({ kind: [4], id: [4] });

export const Guard = layout({
  key: [8, 4],
  owner_started: [8],
  owner: [4],
  device: [4],
  root: [8],
  folder: [8],
  mounts: [4, GUARD_MOUNTS],
  about: [4],
  making: [4],
  refused: [8],
  refused_pid: [8],
  refused_comm: [1, COMM_SIZE],
});

export const Fold = layout({ count: [8], first: [8], last: [8] });

export const Repeat = layout({
  connection: [8, Connection.size / 8],
  count: [8],
  last: [8],
  begun: [8],
  epoch: [4],
  pad: [4],
  own: [8, 16],
});

export const FileObject = layout({ object: [8], inode: [8], device: [4], generation: [4] });

export const OpenFile = layout({ file: [8, FileObject.size / 8], fd: [4], own: [4] });

export const RunningProgram = layout({
  file: [8, FileObject.size / 8],
  started: [8],
  pid: [4],
  flags: [4],
});

export const Identity = layout({
  file: [8, FileObject.size / 8],
  reported: [8, 2],
  flags: [4],
  path_length: [4],
  mount_namespace: [4],
  pad: [4],
  path: [1, PATH_SIZE],
});

export const Lineage = layout({
  maker_started: [8],
  maker_pid: [4],
  pad: [4],
  maker_comm: [1, COMM_SIZE],
  ancestors: [8, (ANCESTORS * Ancestor.size) / 8],
});

export const Image = layout({ identity: [8, Identity.size / 8], lineage: [8, Lineage.size / 8] });

export const Script = layout({ sum: [8, 2], path: [1, 2 * PATH_SIZE] });

export const INTERPRETERS = 16;
export const LONG_OPTIONS = 4;
export const Interpreter = layout({
  name: [8],
  plain: [8],
  valued: [8],
  valued_words: [8, LONG_OPTIONS],
  unknown_words: [8, LONG_OPTIONS],
  name_length: [4],
  long_options: [4],
});

export const ShareKind = { denials: 0, connections: 1, cgroups: 2 } as const;
export const SHARES = 3;

export const Knobs = layout({
  host_mount_namespace: [4],
  host_network_namespace: [4],
  second_judge: [4],
  pad: [4],
  crowded: [8],
  burst: [8, SHARES],
  cost: [8, SHARES],
});

export const Control = layout({
  version: [8],
  flags: [4, 2],
  deny_boxes: [4, 2],
  canary: [4],
  tellings: [4],
  epoch: [4],
  unlisted: [4, 2],
  fallback: [4],
  deadline: [8],
  alone_from: [8],
  last_cgroup: [8],
  next_end: [8, 2],
  ended: [4, 2],
  generation: [4, 2],
});

export const SubjectKey = layout({ side: [4], kind: [2], length: [2], a: [8], b: [8] });

export const ExpectedCgroup = layout({ above: [8], side: [4], pad: [4], name: [1, EXPECTED_NAME_SIZE] });

export const Vector = layout({ word: [8, VECTOR_WORDS] });

export const Tables = layout({
  any: [8, SUBJECT_KINDS * VECTOR_WORDS],
  deny: [8, VECTOR_WORDS],
  inside: [8, VECTOR_WORDS],
  backstop: [8, VECTOR_WORDS],
  modes: [8, VECTOR_WORDS],
  end: [8, MAX_ENDS + 1],
  lasting: [8, (MAX_ENDS + 1) * VECTOR_WORDS],
  intent: [8, VECTOR_WORDS],
  socket: [8, SOCKET_KINDS * VECTOR_WORDS],
  nameless: [8, VECTOR_WORDS],
  kept: [8, (MAX_KEEPS + 1) * VECTOR_WORDS],
  keep: [4, MAX_KEEPS],
  keep_pad: [4],
  last_interval6: [4],
  command_prefixes: [4],
  source_routes: [4],
  pad: [4],
  root4: [4, 65_538],
  start4: [4, MAX_INTERVALS],
  class4: [2, MAX_INTERVALS],
  port_class: [2, PORT_SLOTS * 65_536],
  protocol_class: [2, 256],
  address: [8, MAX_ADDRESS_CLASSES * VECTOR_WORDS],
  port: [8, MAX_PORT_CLASSES * VECTOR_WORDS],
  name: [8, MAX_NAME_CLASSES * VECTOR_WORDS],
});

export const Tables6 = layout({ high: [8, MAX_INTERVALS] });
export const Tables6Low = layout({ low: [8, MAX_INTERVALS], class6: [2, MAX_INTERVALS] });
