/** A policy that packet filters can express, and attempts to reach what it allows and what it does not. */

export const POLICY = `version: 2
network:
  mode: block
  deny:
    - { name: not this one, to: [{ cidr: [10.0.1.66, "2001:db8:1::66"] }] }
  allow:
    - name: web for root
      from: { uid: [0] }
      to: [{ cidr: [10.0.1.0/24, "2001:db8:1::/64"], port: [80], protocol: [tcp] }]
    - { name: a network for everybody, to: [{ cidr: [10.0.2.0/24] }] }
    - { name: a range of ports, to: [{ cidr: [10.0.3.0/25], port: [400-443, 53] }] }
`;

const ADDRESSES = [
  '10.0.1.7',
  '10.0.1.66',
  '10.0.2.255',
  '10.0.3.127',
  '10.0.3.128',
  '192.0.2.1',
  '2001:db8:1::7',
  '2001:db8:1::66',
  '2001:db8:2::7',
];

export interface Attempt {
  uid: number;
  address: string;
  port: number;
  protocol: 'tcp' | 'udp';
}

/** Servers answer at each of these. */
export const ATTEMPTS: readonly Attempt[] = [0, 65_534].flatMap((uid) =>
  ADDRESSES.flatMap((address) => [
    { uid, address, port: 80, protocol: 'tcp' as const },
    { uid, address, port: 443, protocol: 'tcp' as const },
    { uid, address, port: 53, protocol: 'udp' as const },
  ]),
);

export const SERVERS = ['--tcp', '80', '443', '--udp', '53'] as const;

/** Reads a list of attempts, and prints for each whether an answer came: a JSON list of booleans. */
export const TRY = `
import json, os, socket, sys
def reach(uid, address, port, protocol):
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
    family = socket.AF_INET6 if ':' in address else socket.AF_INET
    kind = socket.SOCK_STREAM if protocol == 'tcp' else socket.SOCK_DGRAM
    with socket.socket(family, kind) as each:
        each.settimeout(5)
        each.connect((address, port))
        if protocol == 'udp':
            each.send(b'x')
            each.recv(16)
# All at a time: what refuses answers only so many in a second.
children = []
for attempt in json.loads(sys.argv[1]):
    child = os.fork()
    if child == 0:
        try:
            reach(**attempt)
            os._exit(0)
        except OSError:
            os._exit(1)
    children.append(child)
answers = [os.waitpid(child, 0)[1] == 0 for child in children]
print(json.dumps(answers))
`;
