import { LineProcess } from './line-process.ts';

const PYTHON = `
import errno, json, os, socket, struct, sys

def name_of(text):
    labels = [bytes([len(label)]) + label.encode('latin-1') for label in text.split('.')]
    return b''.join(labels) + b'\\0'

def query(id, name):
    return struct.pack('!6H', id, 0x100, 1, 0, 0, 0) + name_of(name) + struct.pack('!2H', 1, 1)

def answer(id, name, address):
    record = b'\\xc0\\x0c' + struct.pack('!2HIH', 1, 1, 60, 4) + socket.inet_aton(address)
    return struct.pack('!6H', id, 0x8180, 1, 1, 0, 0) + name_of(name) + struct.pack('!2H', 1, 1) + record

def reach(address, port=80):
    """Whether it is denied."""
    with socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET) as made:
        made.setblocking(False)
        return 'denied' if made.connect_ex((address, port)) == errno.EPERM else 'done'

def resolve(name, family=0):
    return [entry[4][0] for entry in socket.getaddrinfo(name, 80, family, socket.SOCK_STREAM)]

def visit(name, count=1, port=80):
    """Each name is new, and its address is connected to in the next system call. How many are denied."""
    reached = [reach(resolve(name if count == 1 else f'{at}.{name}', socket.AF_INET)[0], port) for at in range(count)]
    return f'{reached.count("denied")} denied' if 'denied' in reached else 'done'

kept = []

def hold(address, port):
    made = socket.create_connection((address, port))
    kept.append(made)

def send_on():
    for each in kept:
        each.send(b'x')

def ask(name, resolver, id=7, stream=False, double=False, connected=True):
    family = socket.AF_INET6 if ':' in resolver else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM if stream else socket.SOCK_DGRAM) as made:
        made.settimeout(5)
        if not connected:
            made.sendto(query(id, name), (resolver, 53))
            made.recv(4096)
            return
        made.connect((resolver, 53))
        if not stream:
            made.send(query(id, name))
            made.recv(4096)
            return
        messages = [query(id, name)] + ([query(id + 1, 'second.' + name)] if double else [])
        made.sendall(b''.join(struct.pack('!H', len(message)) + message for message in messages))
        for _ in messages:
            length = struct.unpack('!H', made.recv(2, socket.MSG_WAITALL))[0]
            made.recv(length, socket.MSG_WAITALL)

def flood(first, rest, count, resolver):
    """Asks for that many names FIRST.N.REST, one after the other through one socket."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.settimeout(5)
        made.connect((resolver, 53))
        for at in range(count):
            made.send(query(at & 0xffff, f'{first}.{at}.{rest}'))
            made.recv(4096)

def forge(name, address, port=53, source='127.0.0.1', asked=None, id=7, times=1):
    """Answers its own socket, which has asked for another name or for nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as victim, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forger:
        victim.settimeout(5)
        victim.bind(('127.0.0.1', 0))
        forger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        forger.bind((source, port))
        if asked:
            victim.sendto(query(id, asked), (source, port))
            forger.recv(4096)
        for _ in range(times):
            forger.sendto(answer(id, name, address), victim.getsockname())
            victim.recv(4096)

def packet(source, victim, message):
    """An IPv4 packet with UDP from port 53 of an address; the kernel puts in the sums that are missing."""
    udp = struct.pack('!4H', 53, victim[1], 8 + len(message), 0) + message
    head = struct.pack('!2B3H2BH', 0x45, 0, 20 + len(udp), 0, 0, 64, socket.IPPROTO_UDP, 0)
    return head + socket.inet_aton(source) + socket.inet_aton(victim[0]) + udp

def forge_raw(name, address, source='127.0.0.1', asked=None, id=7, answered=False):
    """Answers its own socket by raw packets in the place of a resolver: one that asked for nothing, for another name, or
    that has its answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as victim, socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as forger:
        victim.settimeout(5)
        victim.bind(('127.0.0.1', 0))
        if asked:
            victim.sendto(query(id, asked), (source, 53))
            if answered:
                victim.recv(4096)
        forger.sendto(packet(source, victim.getsockname(), answer(id, name, address)), ('127.0.0.1', 0))
        victim.recv(4096)

def pretend(name, address, resolver='127.0.0.1', bound='127.0.0.99', id=7, own='127.0.0.1', asked=None):
    """Answers its own query to a resolver, or to another one that it asks, in the place of that one, which stays silent: a
    socket at another address chooses the source of its packets."""
    six = ':' in resolver
    family = socket.AF_INET6 if six else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as victim, socket.socket(family, socket.SOCK_DGRAM) as forger:
        victim.settimeout(1)
        victim.bind((own, 0))
        if six:
            forger.setsockopt(socket.IPPROTO_IPV6, 78, 1)
        forger.bind((resolver if six else bound, 53))
        victim.sendto(query(id, name), (asked or resolver, 53))
        source = struct.pack('=I', 0) + socket.inet_aton(resolver) * 2 if not six else b''
        control = [] if six else [(socket.IPPROTO_IP, 8, source)]
        forger.sendmsg([answer(id, name, address)], control, 0, victim.getsockname())
        victim.recv(4096)

does = {name: function for name, function in globals().items() if callable(function)}
print('ready', flush=True)
for line in sys.stdin:
    what, words, named = json.loads(line)
    try:
        answered = does[what](*words, **named) or 'done'
    except OSError as error:
        answered = errno.errorcode.get(error.errno, str(error))
    print(json.dumps(answered), flush=True)
`;

/** A process that asks for names and connects on command. */
export class NameClient implements AsyncDisposable {
  readonly #process: LineProcess;

  private constructor(process: LineProcess) {
    this.#process = process;
  }

  /** `through`: a command that runs another one, such as `unshare -n`. */
  static async start(...through: string[]): Promise<NameClient> {
    return new NameClient(await LineProcess.start([...through, 'python3', '-c', PYTHON]));
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** Returns what it answers: `done`, the name of an error, or a list. */
  async does(what: string, words: unknown[] = [], named: Record<string, unknown> = {}): Promise<unknown> {
    this.#process.tell(`${JSON.stringify([what, words, named])}\n`);
    return JSON.parse(await this.#process.line());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }
}
