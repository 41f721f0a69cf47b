/** How much traffic of which containers to make. */
export interface Scene {
  containers: number;
  services: number;
  /** Addresses of each service. */
  pool: number;
  events: number;
}

const PORTS = [443, 443, 443, 80, 53, 8080, 5432];

/**
 * Tuples of container, program, port and address, with repeats: containers that use the same services, few of
 * them much, and of each service few of its addresses much. So nearly all tuples are in one part that boxes
 * connect. `next`: random numbers of at least 0, below 1.
 */
export function sharedServices(scene: Scene, next: () => number): number[][] {
  return Array.from({ length: scene.events }, () => {
    const container = Math.floor(next() * scene.containers);
    const service = Math.floor(scene.services * next() ** 2);
    const address = service * scene.pool + Math.floor(scene.pool * next() ** 3);
    const plain = service % 3 === 0 && next() < 0.2;
    const program = service % 5 === 0 ? Math.floor(next() * 3) : 0;
    return [container, program, plain ? 80 : PORTS[service % PORTS.length]!, address];
  });
}

/** How many values each axis of these tuples has at most. */
export function sizesOf({ containers, pool, services }: Scene): number[] {
  return [containers, 3, 65_536, services * pool];
}
