import { type Ended, run, succeeded } from './guest.ts';

/** Programs that try to reach a server, and how they say that they got EPERM. */

const PYTHON = `
import errno, socket, sys
kind, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
try:
    if kind == 'tcp':
        socket.create_connection((address, port), 20).close()
    else:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', (address, port))
    print('reached')
except OSError as error:
    print(errno.errorcode[error.errno])
`;

/** `reached`, or the name of the error that the system call gave. */
export function pythonTo(protocol: 'tcp' | 'udp', address: string, port: number): string {
  return run('python3', '-c', PYTHON, protocol, address, String(port)).stdout.trim();
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
  return Number(succeeded(run('python3', '-c', FLOOD, address, String(ports))).stdout);
}

/** The arguments of a curl that tells why it could not connect, and waits for nobody for long. */
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
