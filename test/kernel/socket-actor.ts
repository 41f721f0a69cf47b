import { LineProcess } from './line-process.ts';

/** A peer, or where a socket is bound. */
export type Place = readonly [address: string, port: number];

const PYTHON = `
import ctypes, errno, json, os, socket, sys, tempfile
libc = ctypes.CDLL(None, use_errno=True)
sockets = {}

def open_(name, family, place, free=False, shared=False, group=None):
    made = socket.socket(getattr(socket, family), socket.SOCK_DGRAM)
    made.settimeout(10)
    if family == 'AF_INET6':
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        if free:
            made.setsockopt(socket.IPPROTO_IPV6, 78, 1)  # IPV6_FREEBIND
    if shared:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if group:
        index = socket.if_nametoindex(group[1])
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, socket.inet_pton(socket.AF_INET6, group[0]) + index.to_bytes(4, 'little'))
    if place:
        made.bind(tuple(place))
    sockets[name] = made

def send(name, place, count=1):
    for _ in range(count):
        sockets[name].sendto(b'x', tuple(place))

def connect(name, place):
    sockets[name].connect(tuple(place))

def disconnect(name):
    if libc.connect(sockets[name].fileno(), bytes(16), 16):
        raise OSError(ctypes.get_errno(), 'connect')

def more(name):
    sockets[name].send(b'x', socket.MSG_MORE)

def write(name):
    sockets[name].send(b'x')

def write_file(name):
    os.write(sockets[name].fileno(), b'x')

def sendfile(name):
    with tempfile.TemporaryFile() as file:
        file.write(b'x')
        file.flush()
        os.sendfile(sockets[name].fileno(), file.fileno(), 0, 1)

def splice(name):
    reading, writing = os.pipe()
    try:
        os.write(writing, b'x')
        os.splice(reading, sockets[name].fileno(), 1)
    finally:
        os.close(reading)
        os.close(writing)

def receive(name):
    return list(sockets[name].recvfrom(100)[1][:2])

def close(name):
    sockets.pop(name).close()

does = {name.rstrip('_'): function for name, function in globals().items() if callable(function)}
print('ready', flush=True)
for line in sys.stdin:
    what, *words = json.loads(line)
    try:
        answer = does[what](*words) or 'done'
    except TimeoutError:
        answer = 'nothing'
    except OSError as error:
        answer = errno.errorcode[error.errno]
    print(json.dumps(answer), flush=True)
`;

/** A process that opens UDP sockets and uses them on command. Answers are `done` or the name of an error. */
export class SocketActor implements AsyncDisposable {
  readonly #process: LineProcess;

  private constructor(process: LineProcess) {
    this.#process = process;
  }

  /** `through`: a command that runs another one, such as `ip netns exec NAME`. */
  static async start(...through: string[]): Promise<SocketActor> {
    return new SocketActor(await LineProcess.start([...through, 'python3', '-c', PYTHON]));
  }

  get pid(): number {
    return this.#process.pid;
  }

  open(
    name: string,
    family: 4 | 6,
    place?: Place,
    {
      free = false,
      group,
      shared = false,
    }: { free?: boolean; shared?: boolean; group?: [string, string] } = {},
  ): Promise<string> {
    return this.#does(
      'open',
      name,
      family === 4 ? 'AF_INET' : 'AF_INET6',
      place ?? null,
      free,
      shared,
      group ?? null,
    );
  }

  send(name: string, place: Place, count = 1): Promise<string> {
    return this.#does('send', name, place, count);
  }

  connect(name: string, place: Place): Promise<string> {
    return this.#does('connect', name, place);
  }

  /** Takes the peer away. */
  disconnect(name: string): Promise<string> {
    return this.#does('disconnect', name);
  }

  /** Begins a datagram to the peer, which leaves with the next part. */
  more(name: string): Promise<string> {
    return this.#does('more', name);
  }

  /** Sends to the peer that the socket is connected to. */
  write(name: string, how: 'write' | 'write_file' | 'sendfile' | 'splice' = 'write'): Promise<string> {
    return this.#does(how, name);
  }

  /** The sender of the next datagram as `ADDRESS PORT`; `nothing` when none has come after ten seconds. */
  async receive(name: string): Promise<string> {
    const from = (await this.#does('receive', name)) as string | [string, number];
    return typeof from === 'string' ? from : from.join(' ');
  }

  close(name: string): Promise<string> {
    return this.#does('close', name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }

  async #does(...words: unknown[]): Promise<string> {
    this.#process.tell(`${JSON.stringify(words)}\n`);
    return JSON.parse(await this.#process.line()) as string;
  }
}
