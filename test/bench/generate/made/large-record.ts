import { migrate, openDatabase } from '../../../../profiler/database/database.ts';

/** A day of a host: 2,000 processes of 300 programs, 64,000 observations. `start`: microseconds since the epoch. */
export const LARGE = { events: 10_000_000, start: 1_795_219_200_000_000 };

const { events: EVENTS, start: START } = LARGE;
const PROCESSES = 2000;

/** Makes that record. */
export async function makeLargeRecord(path: string): Promise<void> {
  const { close, connection } = await openDatabase(path, 'write');
  await migrate(connection, path);
  const statements = [
    `INSERT INTO recording (id, host, kernel, backend, command, target, started_at, ended_at, state, events)
      VALUES (1, 'bench', '6.1', 'lsm', 'learn', 'host', ${START}, ${START + 86_400_000_000}, 'complete', ${EVENTS})`,
    `INSERT INTO command SELECT 1, i, 'cmd' || i FROM range(200) t(i)`,
    `INSERT INTO process (recording, id, key, pid, exe, script, command, cgroup_path, unit)
      SELECT 1, i, i, i, '/usr/bin/prog' || (i % 300), CASE WHEN i % 5 = 0 THEN '/srv/app' || (i % 300) || '.py' END,
        'cmd' || (i % 200), '/system.slice/x' || (i % 100) || '.service', 'x' || (i % 100) || '.service'
      FROM range(${PROCESSES}) t(i)`,
    `INSERT INTO credential SELECT 1, i, i * 100, i * 100, i * 100, i * 100, i * 100, i * 100 FROM range(7) t(i)`,
    // Few processes make most connections; each program has its own sixteen peers.
    `INSERT INTO event SELECT 1, ${START} + i * 8640, p, p % 200, p % 7, 4, 0,
        167772160 + (p % 300) * 16 + (hash(i) % 16)::UBIGINT, 443 + (hash(i * 7) % 2) * 8000, 6, 1, 0, NULL, 0, 0, 0, 1, 0
      FROM (SELECT i, (pow((hash(i * 13) % 1000000) / 1000000.0, 3) * ${PROCESSES})::INTEGER % ${PROCESSES} AS p
        FROM range(${EVENTS}) t(i))`,
    'CHECKPOINT',
  ];
  for (const statement of statements) await connection.run(statement);
  close();
}
