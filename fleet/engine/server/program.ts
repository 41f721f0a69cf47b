import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** The oldest release of PostgreSQL that the schema and its statements are for. */
const LEAST_VERSION = 15;

/** Where packages of Debian, of postgresql.org for RPM, and of others have the programs of a server. */
const PLACES = [
  { folder: '/usr/lib/postgresql', programs: 'bin' },
  { folder: '/usr', programs: 'bin', prefix: 'pgsql-' },
  { folder: '/usr/local', programs: 'bin', prefix: 'pgsql' },
];

/** The programs of a PostgreSQL server that is on this machine. */
export interface ServerPrograms {
  /** Folder of `postgres`, `initdb` and `pg_ctl`. */
  folder: string;
  version: number;
  /** What they need in the environment. */
  environment: NodeJS.ProcessEnv;
}

/**
 * The newest server that is installed and new enough, or one that was unpacked below `root`, with the libraries that
 * this machine lacks. Undefined: there is none.
 */
export function findServerPrograms(root = '/'): ServerPrograms | undefined {
  const folders = PLACES.flatMap(({ folder, programs, prefix = '' }) =>
    entriesOf(join(root, folder))
      .filter((name) => name.startsWith(prefix))
      .map((name) => join(root, folder, name, programs)),
  );
  const environment = root === '/' ? {} : { LD_LIBRARY_PATH: libraries(root).join(':') };
  return [...folders, join(root, 'usr/bin'), join(root, 'usr/local/bin')]
    .filter((folder) => existsSync(join(folder, 'postgres')) && existsSync(join(folder, 'initdb')))
    .map((folder) => ({ folder, version: versionOf(folder, environment), environment }))
    .filter(({ version }) => version >= LEAST_VERSION)
    .sort((a, b) => b.version - a.version)[0];
}

function entriesOf(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

/** Folders of shared libraries of an unpacked tree. */
function libraries(root: string): string[] {
  const base = join(root, 'usr/lib');
  return [base, ...entriesOf(base).map((name) => join(base, name))].filter((folder) =>
    entriesOf(folder).some((name) => name.includes('.so')),
  );
}

/** The main version; 0 where the program does not run. */
function versionOf(folder: string, environment: NodeJS.ProcessEnv): number {
  try {
    const text = execFileSync(join(folder, 'postgres'), ['--version'], {
      encoding: 'utf8',
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 10_000,
    });
    return Number(/\b(\d+)(?:\.|devel|beta|rc)/.exec(text)?.[1] ?? 0);
  } catch {
    return 0;
  }
}
