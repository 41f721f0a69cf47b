import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { coverDestinations, type Destination } from '../../../generator/destinations.ts';
import { destinationText } from '../../../policy/document.ts';
import { matchesTo } from '../../../policy/evaluate.ts';
import { hasPorts } from '../../../policy/protocol.ts';
import { flowOf } from '../../../generator/flow.ts';
import { observed } from './fixture.ts';

function at(address: string, port: number, protocol = 6): Destination {
  const value = address.split('.').reduce((sum, octet) => sum * 256n + BigInt(octet), 0n);
  return { address: { family: 4, value }, port, protocol };
}

function texts(destinations: Destination[]): object[] {
  return coverDestinations(destinations).map(destinationText);
}

test('addresses with equal ports share an entry and merge without loss', () => {
  assert.deepEqual(
    texts([
      at('10.0.0.1', 443),
      at('10.0.0.0', 443),
      at('10.0.0.9', 443),
      at('10.0.0.2', 22),
      at('10.0.0.2', 443),
    ]),
    [
      { cidr: ['10.0.0.2/32'], port: [22, 443], protocol: ['tcp'] },
      { cidr: ['10.0.0.0/31', '10.0.0.9/32'], port: [443], protocol: ['tcp'] },
    ],
  );
});

test('protocols with equal addresses and ports share an entry', () => {
  assert.deepEqual(texts([at('10.0.0.1', 53, 17), at('10.0.0.1', 53)]), [
    { cidr: ['10.0.0.1/32'], port: [53], protocol: ['tcp', 'udp'] },
  ]);
});

test('ports become a range only where every port was seen', () => {
  const ports = [8000, 8001, 8002, 8003, 9000, 9001, 9003];
  assert.deepEqual(texts(ports.map((port) => at('10.0.0.1', port))), [
    { cidr: ['10.0.0.1/32'], port: ['8000-8003', 9000, 9001, 9003], protocol: ['tcp'] },
  ]);
});

test('a protocol without ports gets no port list', () => {
  assert.deepEqual(texts([at('10.0.0.1', 0, 1), at('10.0.0.1', 8, 1)]), [
    { cidr: ['10.0.0.1/32'], protocol: ['icmp'] },
  ]);
});

/** Equal for destinations that a policy cannot tell apart. */
function key(address: number, port: number, protocol: number): string {
  return `${address} ${hasPorts(protocol) ? port : '-'} ${protocol}`;
}

test('exactly the destinations are allowed, compared with a brute force over a small world', () => {
  const protocols = [1, 6, 17];
  const ports = [0, 1, 2, 3, 4, 65_535];
  const destination = fc.record({
    address: fc.integer({ min: 0, max: 15 }),
    port: fc.constantFrom(...ports),
    protocol: fc.constantFrom(...protocols),
  });
  fc.assert(
    fc.property(
      fc.array(destination, { minLength: 1, maxLength: 60 }),
      fc.constantFrom(4, 6),
      (list, family) => {
        const wanted = new Set(list.map((each) => key(each.address, each.port, each.protocol)));
        const cover = coverDestinations(
          list.map((each) => ({
            ...each,
            address: { family: family as 4 | 6, value: BigInt(each.address) + 256n },
          })),
        );
        for (let address = -1; address <= 16; address++) {
          for (const port of ports) {
            for (const protocol of protocols) {
              const flow = flowOf(
                observed({ family: family as 4 | 6, address: BigInt(address) + 256n, port, protocol }),
              );
              const allowed = cover.some((to) => matchesTo(to, flow));
              assert.equal(
                allowed,
                wanted.has(key(address, port, protocol)),
                `${address} ${port} ${protocol}`,
              );
            }
          }
        }
      },
    ),
    { numRuns: 200 },
  );
});
