import type { DuckDBConnection } from '@duckdb/node-api';
import { migrate, openDatabase } from '../../../../profiler/database/database.ts';
import { sharedServices, type Scene } from '../../../arbitrary/shared-services.ts';
import { Random } from '../../../unit/generator/random.ts';

const START = 1_795_219_200_000_000;
const DAY = 86_400_000_000;

/** Addresses of the services: from 10.0.0.0 on. */
const FIRST_ADDRESS = 167_772_160;

/**
 * A record of a day, in which containers use services that they share: each with an image of its own, so that none are
 * alike by that. Programs are told apart by their user, as rules for containers know no other. Events come one after
 * the other at equal distances. Returns how many distinct tuples there are.
 */
export async function makeSharedRecord(path: string, scene: Scene): Promise<number> {
  const { close, connection } = await openDatabase(path, 'write');
  await migrate(connection, path);
  await appendTuples(connection, scene);
  const distance = Math.floor(DAY / scene.events);
  const statements = [
    `INSERT INTO recording (id, host, kernel, backend, command, target, started_at, ended_at, state, events)
      VALUES (1, 'bench', '6.1', 'lsm', 'learn', 'host', ${START}, ${START + DAY}, 'complete', ${scene.events})`,
    `INSERT INTO command VALUES (1, 0, 'server')`,
    `INSERT INTO credential SELECT 1, i, u, u, u, u, u, u FROM (SELECT i, 1000 + i AS u FROM range(3) t(i))`,
    `INSERT INTO container (recording, id, version, runtime, container_id, name, image)
      SELECT 1, i, 1, 'docker', printf('%064x', i), 'service-' || i, 'registry.example/service-' || i || ':1'
      FROM range(${scene.containers}) t(i)`,
    `INSERT INTO process (recording, id, key, pid, exe, command, cgroup_path, container, flags)
      SELECT 1, i, i, i, '/usr/bin/server', 'server', printf('/system.slice/docker-%064x.scope', i), i, 1
      FROM range(${scene.containers}) t(i)`,
    `INSERT INTO event SELECT 1, ${START} + number * ${distance}, container, 0, program, 4, 0, ${FIRST_ADDRESS} + address, port,
        CASE WHEN port = 53 THEN 17 ELSE 6 END, CASE WHEN port = 53 THEN 1 ELSE 0 END, 0, NULL, 0, 0, 0, 1, 0
      FROM tuple`,
    'CHECKPOINT',
  ];
  for (const statement of statements) await connection.run(statement);
  const distinct = await connection.runAndReadAll(
    'SELECT count(*)::INTEGER FROM (SELECT DISTINCT container, program, port, address FROM tuple)',
  );
  close();
  return Number(distinct.getRows()[0]![0]);
}

/** The events as a table of numbers, which tells the order. */
async function appendTuples(connection: DuckDBConnection, scene: Scene): Promise<void> {
  await connection.run(
    'CREATE TEMP TABLE tuple (number BIGINT, container INTEGER, program INTEGER, port INTEGER, address INTEGER)',
  );
  const random = new Random(1);
  const appender = await connection.createAppender('tuple');
  for (const [number, tuple] of sharedServices(scene, () => random.next()).entries()) {
    appender.appendBigInt(BigInt(number));
    for (const value of tuple) appender.appendInteger(value);
    appender.endRow();
  }
  appender.closeSync();
}
