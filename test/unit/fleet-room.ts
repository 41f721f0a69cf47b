/** The rooms of the fleet, and which others each may import: a part of the table in room.ts. */
export const FLEET_ROOMS: Record<string, readonly string[]> = {
  'fleet/wire': ['host', 'error'],
  'fleet/self': ['error'],
  'fleet/engine': ['fleet/engine/connection', 'fleet/engine/evidence', 'fleet/wire'],
  'fleet/engine/evidence': ['fleet/engine/connection', 'fleet/wire'],
  'fleet/engine/connection': ['error'],
  'fleet/engine/server': ['error'],
  'fleet/identity': ['error'],
  'fleet/agent/evidence': ['fleet/wire', 'profiler/read', 'policy/value'],
  'fleet/hub': ['fleet/release', 'fleet/engine', 'fleet/identity', 'fleet/self', 'fleet/wire', 'error'],
  'fleet/release': ['fleet/engine/evidence', 'fleet/engine', 'fleet/wire', 'format'],
};
