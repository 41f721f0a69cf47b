/** Rooms below `policy/`. */
export function policy(...rooms: string[]): string[] {
  return rooms.map((room) => `policy/${room}`);
}

/** Rooms below `profiler/`. */
export function profiler(...rooms: string[]): string[] {
  return rooms.map((room) => `profiler/${room}`);
}
