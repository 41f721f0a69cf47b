import { type Ended, run, succeeded } from './guest.ts';

/** Programs that try to reach a server, and how they say that they got EPERM. */

/** Without the modules of the site, which take Python longer to load than an attempt lasts. */
const PYTHON3 = ['python3', '-I', '-S', '-c'] as const;

const PYTHON = `
import errno, socket, sys
kind, address, port, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
try:
    if kind == 'tcp':
        socket.create_connection((address, port), seconds).close()
    else:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', (address, port))
    print('reached')
except OSError as error:
    print(errno.errorcode[error.errno] if error.errno else 'no answer')
`;

/** A policy that blocks one address, and allows everything else and raw sockets. */
export function policyAgainst(address: string): string {
  return `
version: 2
network:
  mode: block
  deny: [{ name: nobody, to: [{ cidr: [${address}/32] }] }]
  allow: [{ name: everything, to: [{}], sockets: [raw] }]
`;
}

/** `reached`, or the name of the error that the system call gave; `no answer` after so many seconds. */
export function pythonTo(protocol: 'tcp' | 'udp', address: string, port: number, seconds = 20): string {
  return run(...PYTHON3, PYTHON, protocol, address, String(port), String(seconds)).stdout.trim();
}

const PING = `
import errno, socket, struct, sys
written, named = sys.argv[1], sys.argv[2]
def checksum(data):
    total = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff
echo = struct.pack('!BBHHH', 8, 0, checksum(struct.pack('!BBHHH', 8, 0, 0, 7, 1)), 7, 1)
header = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 20 + len(echo), 1, 0, 64, 1, 0, bytes(4), socket.inet_aton(written))
sender = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
sender.setsockopt(socket.IPPROTO_IP, socket.IP_HDRINCL, 1)
sender.settimeout(2)
try:
    sender.sendto(header + echo, (named, 0))
    while True:
        packet, source = sender.recvfrom(1500)
        if source[0] == written and packet[20] == 0:
            break
    print('reached')
except OSError as error:
    print(errno.errorcode[error.errno] if error.errno else 'no answer')
`;

/**
 * The arguments of a program that writes an echo request by itself, header and all, and says like `pythonTo` what came
 * of it. `written` is the destination in its header, `named` what it passes to the system call.
 */
export function ping(written: string, named = written): string[] {
  return [...PYTHON3, PING, written, named];
}

const FLOOD = `
import socket, sys
sender, refused = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0
for port in range(1, int(sys.argv[2]) + 1):
    try:
        sender.sendto(b'x', (sys.argv[1], port))
    except PermissionError:
        refused += 1
print(refused)
`;

/** Sends a datagram to each of the first ports of an address. Returns how many were refused. */
export function flood(address: string, ports: number): number {
  return Number(succeeded(run(...PYTHON3, FLOOD, address, String(ports))).stdout);
}

/** The arguments of a curl that says why it could not connect, and waits for no server for long. */
export function curl(url: string): string[] {
  return ['curl', '-sS', '-v', '--max-time', '20', url];
}

/** Whether curl was refused as the documents of bouheki show it, by EPERM and nothing else. */
export function curlRefused({ status, stdout, stderr }: Ended): boolean {
  return (
    status === 7 &&
    stdout === '' &&
    /Operation not permitted/.test(stderr) &&
    /curl: \(7\) .*Couldn't connect to server/.test(stderr)
  );
}
