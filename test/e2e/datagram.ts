import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync } from 'node:fs';
import { run, succeeded } from './guest.ts';

/** Programs that probe addresses by UDP, and a server with its clients. */

/** Of the addresses that the look-up puts in order, tries the first alone, as many simple clients do. */
const FIRST = `
import socket, sys
family, kind, protocol, _, address = socket.getaddrinfo(sys.argv[1], int(sys.argv[2]), 0, socket.SOCK_STREAM)[0]
s = socket.socket(family, kind, protocol)
s.settimeout(20)
s.connect(address)
s.send(b'GET / HTTP/1.0\\r\\n\\r\\n')
print(s.recv(100)[:15].decode())`;

/** Answers in each way that servers have. */
const SERVER = `
import select, socket, struct
single = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
single.bind(('127.0.0.1', 5300))
wide = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
wide.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
wide.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
wide.bind(('::', 5301))
print('ready', flush=True)
while True:
    for ready in select.select([single, wide], [], [])[0]:
        data, control, _, client = ready.recvmsg(2000, 200)
        ready.sendmsg([data], control, 0, client)`;

const CLIENT = `
import socket, sys
answers = 0
for _ in range(int(sys.argv[3])):
    s = socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(5)
    s.sendto(b'q', (sys.argv[1], int(sys.argv[2])))
    try:
        s.recvfrom(100)
        answers += 1
    except OSError:
        pass
print(answers)`;

/** Gives `two.example` an IPv6 address without a way to it, and an IPv4 address. */
export function nameTwoAddresses(ipv4: string): void {
  succeeded(run('ip', '-6', 'route', 'add', 'unreachable', '2001:db8:5::/48'));
  appendFileSync('/etc/hosts', `2001:db8:5::5 two.example\n${ipv4} two.example\n`);
}

/** Answers at 127.0.0.1, port 5300, and at each address of the host, port 5301. */
export async function startServer(): Promise<ChildProcess> {
  const server = spawn('python3', ['-c', SERVER], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(server.stdout!, 'data');
  return server;
}

/** How many of so many look-ups the server answers. */
export function answers(address: string, port: number, count: number): number {
  return Number(succeeded(run('python3', '-c', CLIENT, address, String(port), String(count))).stdout);
}

/** What the first address of `two.example` answers, or why it does not. */
export function firstAddress(): string {
  const { stdout, stderr } = run('python3', '-c', FIRST, 'two.example', '80');
  return stdout.trim() || stderr;
}
