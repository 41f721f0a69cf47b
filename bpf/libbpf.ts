import koffi from 'koffi';
import { BouhekiError } from '../error/error.ts';
import { programFile } from '../host/program-file.ts';

/**
 * The FFI table: every C function that bouheki calls, under its own name. The only file that imports koffi's
 * loader, so that another FFI can take its place. Pointers are BigInts without a type; the classes beside
 * this file wrap them.
 */

/** Address of something in C. 0n or null is NULL. */
export type Pointer = bigint;

/** The host's, or the one of a package for hosts that have none. */
const LIBBPF = ['libbpf.so.1', programFile('../lib/libbpf.so.1')];

const MAP_FAILED = 0xffff_ffff_ffff_ffffn;

function open(names: string[], package_: string): ReturnType<typeof koffi.load> {
  let cause: unknown;
  for (const name of names) {
    try {
      return koffi.load(name);
    } catch (error) {
      cause = error;
    }
  }
  throw new BouhekiError('library', `cannot load ${names[0]}`, {
    remedy: `install it, on Debian and Ubuntu: apt install ${package_}`,
    cause,
  });
}

function declare() {
  const libbpf = open(LIBBPF, 'libbpf1');
  koffi.struct('bpf_iter_attach_opts', {
    sz: 'size_t',
    link_info: 'const uint32_t *',
    link_info_len: 'uint32_t',
  });
  const libc = open(['libc.so.6', 'libc.so'], 'libc6');
  return {
    libbpf_version_string: libbpf.func('const char *libbpf_version_string()'),
    libbpf_set_print: libbpf.func('void *libbpf_set_print(void *print)'),
    bpf_object__open_file: libbpf.func('void *bpf_object__open_file(const char *path, void *opts)'),
    bpf_object__load: libbpf.func('int bpf_object__load(void *object)'),
    bpf_object__close: libbpf.func('void bpf_object__close(void *object)'),
    bpf_object__find_map_by_name: libbpf.func(
      'void *bpf_object__find_map_by_name(void *object, const char *name)',
    ),
    bpf_object__find_program_by_name: libbpf.func(
      'void *bpf_object__find_program_by_name(void *object, const char *name)',
    ),
    bpf_map__fd: libbpf.func('int bpf_map__fd(void *map)'),
    bpf_map_get_fd_by_id: libbpf.func('int bpf_map_get_fd_by_id(uint32_t id)'),
    bpf_obj_get_info_by_fd: libbpf.func(
      'int bpf_obj_get_info_by_fd(int fd, _Inout_ uint8_t *info, _Inout_ uint32_t *length)',
    ),
    bpf_program__fd: libbpf.func('int bpf_program__fd(void *program)'),
    bpf_program__set_autoload: libbpf.func('int bpf_program__set_autoload(void *program, bool autoload)'),
    bpf_prog_test_run_opts: libbpf.func('int bpf_prog_test_run_opts(int fd, _Inout_ uint8_t *opts)'),
    bpf_map__set_max_entries: libbpf.func('int bpf_map__set_max_entries(void *map, uint32_t max_entries)'),
    bpf_map__set_initial_value: libbpf.func(
      'int bpf_map__set_initial_value(void *map, const void *data, size_t size)',
    ),
    bpf_program__attach: libbpf.func('void *bpf_program__attach(void *program)'),
    bpf_program__attach_cgroup: libbpf.func('void *bpf_program__attach_cgroup(void *program, int cgroup_fd)'),
    bpf_program__attach_iter: libbpf.func(
      'void *bpf_program__attach_iter(void *program, const bpf_iter_attach_opts *opts)',
    ),
    bpf_iter_create: libbpf.func('int bpf_iter_create(int link_fd)'),
    bpf_link__destroy: libbpf.func('int bpf_link__destroy(void *link)'),
    bpf_link__fd: libbpf.func('int bpf_link__fd(void *link)'),
    bpf_map_create: libbpf.func(
      'int bpf_map_create(int type, const char *name, uint32_t key, uint32_t value, uint32_t entries, const void *opts)',
    ),
    bpf_map_lookup_elem: libbpf.func(
      'int bpf_map_lookup_elem(int fd, const void *key, _Out_ uint8_t *value)',
    ),
    bpf_map_update_elem: libbpf.func(
      'int bpf_map_update_elem(int fd, const void *key, const void *value, uint64_t flags)',
    ),
    bpf_map_delete_elem: libbpf.func('int bpf_map_delete_elem(int fd, const void *key)'),
    bpf_map_get_next_key: libbpf.func(
      'int bpf_map_get_next_key(int fd, const void *key, _Out_ uint8_t *next)',
    ),
    libbpf_find_vmlinux_btf_id: libbpf.func(
      'int libbpf_find_vmlinux_btf_id(const char *name, int attach_type)',
    ),
    libbpf_probe_bpf_map_type: libbpf.func('int libbpf_probe_bpf_map_type(int type, void *opts)'),
    libbpf_num_possible_cpus: libbpf.func('int libbpf_num_possible_cpus()'),
    mmap: libc.func(
      'uint64_t mmap(void *address, size_t length, int protection, int flags, int fd, int64_t offset)',
    ),
    munmap: libc.func('int munmap(uint64_t address, size_t length)'),
    vsnprintf: libc.func(
      'int vsnprintf(_Out_ uint8_t *buffer, size_t size, const char *format, void *arguments)',
    ),
    syscall: libc.func('long syscall(long number, long a, long b, long c)'),
    clock_gettime: libc.func('int clock_gettime(int clock, _Out_ uint8_t *time)'),
    close: libc.func('int close(int fd)'),
  };
}

/** What is asked of maps before they are loaded, what those of two objects take, and large ones. */
function declareMaps() {
  const libbpf = open(LIBBPF, 'libbpf1');
  return {
    bpf_map__value_size: libbpf.func('uint32_t bpf_map__value_size(const void *map)'),
    bpf_map__reuse_fd: libbpf.func('int bpf_map__reuse_fd(void *map, int fd)'),
    bpf_map_lookup_batch: libbpf.func(
      'int bpf_map_lookup_batch(int fd, const void *from, _Out_ uint8_t *next, _Out_ uint8_t *keys, _Out_ uint8_t *values, _Inout_ uint32_t *count, const void *opts)',
    ),
  };
}

let maps: ReturnType<typeof declareMaps> | undefined;

/** The part of the table that looks at maps, shares them and reads them in batches. */
export function mapCalls(): ReturnType<typeof declareMaps> {
  maps ??= declareMaps();
  return maps;
}

/** What makes links and maps outlive the process, and finds them. */
function declarePins() {
  const libbpf = open(LIBBPF, 'libbpf1');
  const libc = open(['libc.so.6', 'libc.so'], 'libc6');
  return {
    bpf_obj_pin: libbpf.func('int bpf_obj_pin(int fd, const char *path)'),
    bpf_obj_get: libbpf.func('int bpf_obj_get(const char *path)'),
    bpf_obj_get_opts: libbpf.func('int bpf_obj_get_opts(const char *path, const void *opts)'),
    syscall: libc.func('long syscall(long number, long command, const void *attributes, long size)'),
  };
}

let pins: ReturnType<typeof declarePins> | undefined;

/** The part of the table that pins. */
export function pinCalls(): ReturnType<typeof declarePins> {
  pins ??= declarePins();
  return pins;
}

/** What is asked of the C library where no program is loaded: reading a record needs no libbpf. */
function declareSockets() {
  const libc = open(['libc.so.6', 'libc.so'], 'libc6');
  return {
    getsockopt: libc.func(
      'int getsockopt(int fd, int level, int name, _Out_ uint8_t *value, _Inout_ uint32_t *length)',
    ),
    socket: libc.func('int socket(int domain, int type, int protocol)'),
    sendto: libc.func(
      'long sendto(int fd, const uint8_t *data, size_t size, int flags, const uint8_t *address, uint32_t length)',
    ),
  };
}

let sockets: ReturnType<typeof declareSockets> | undefined;

/** The C library's part of the table that concerns sockets. */
export function socketCalls(): ReturnType<typeof declareSockets> {
  sockets ??= declareSockets();
  return sockets;
}

export type Libbpf = ReturnType<typeof declare>;
let table: Libbpf | undefined;

/** The table. Throws a BouhekiError when a library is missing. */
export function libbpf(): Libbpf {
  table ??= declare();
  return table;
}

/** A system error of a C call, by its number (positive or negative). */
export class SystemError extends Error {
  override readonly name = 'SystemError';
  readonly errno: number;

  constructor(call: string, errno: number) {
    const number = Math.abs(errno);
    const name =
      Object.entries(koffi.os.errno).find(([, value]) => value === number)?.[0] ?? `errno ${number}`;
    super(`${call}: ${name}`);
    this.errno = number;
  }
}

/** Throws what errno says when a call returned a negative number. Call it directly after. */
export function check(call: string, result: number): number {
  if (result < 0) throw new SystemError(call, koffi.errno() || result);
  return result;
}

/** Throws what errno says when a call returned NULL. */
export function checkPointer(call: string, pointer: Pointer | null): Pointer {
  if (pointer === null || pointer === 0n) throw new SystemError(call, koffi.errno());
  return pointer;
}

const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 1;

/**
 * Maps `length` bytes of a file descriptor. The ArrayBuffer must not be used after `unmap`: that is a fault,
 * not an error.
 */
export function map(fd: number, length: number, offset: number, writable: boolean): Mapping {
  const protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  const address = BigInt(libbpf().mmap(null, length, protection, MAP_SHARED, fd, offset));
  if (address === MAP_FAILED) throw new SystemError('mmap', koffi.errno());
  return { address, buffer: koffi.view(address, length) };
}

export interface Mapping {
  address: bigint;
  buffer: ArrayBuffer;
}

export function unmap(mapping: Mapping): void {
  libbpf().munmap(mapping.address, mapping.buffer.byteLength);
}

const print = koffi.pointer(koffi.proto('int libbpf_print(int level, const char *format, void *arguments)'));
const LOG_SIZE = 4 << 20;

/** Runs `work` and returns what libbpf had to say meanwhile; a verifier's log is part of it. */
export function withMessages<T>(work: () => T): { result?: T; error?: unknown; messages: string } {
  const table = libbpf();
  const parts: string[] = [];
  const buffer = Buffer.alloc(LOG_SIZE);
  const callback = koffi.register((level: number, format: string, arguments_: Pointer) => {
    // libbpf's debug level reports every relocation.
    if (level > 1) return 0;
    const length = table.vsnprintf(buffer, LOG_SIZE, format, arguments_);
    parts.push(buffer.toString('utf8', 0, Math.min(length, LOG_SIZE - 1)));
    return length;
  }, print);
  table.libbpf_set_print(callback);
  try {
    return { result: work(), messages: parts.join('') };
  } catch (error) {
    return { error, messages: parts.join('') };
  } finally {
    table.libbpf_set_print(null);
    koffi.unregister(callback);
  }
}
