import type { Subject } from '../../profiler/read/observation.ts';

/** The letters and digits of which Kubernetes makes words up: none that make words of a language. */
const MADE_UP = '[bcdfghjklmnpqrstvwxz2456789]';

/**
 * How names end that no later container has, whatever else is in them: those of pods of a Deployment (a hash,
 * and a word that is made up), of a CronJob (minutes since 1970, and such a word); of tasks of Docker Swarm,
 * of Nomad, of Amazon's ECS, and of `docker compose run`.
 */
const ONCE = new RegExp(
  [
    `-${MADE_UP}{6,10}-${MADE_UP}{5}$`,
    `-\\d{8,10}-${MADE_UP}{5}$`,
    '\\.(?:\\d+|[a-z0-9]{25})\\.[a-z0-9]{25}$',
    '-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$',
    '^ecs-.*-[0-9a-f]{20}$',
    '[-_]run[-_][0-9a-f]{12}$',
  ].join('|'),
);

/**
 * The name of a pod of a DaemonSet or a Job, `name-x7k2p`. The word alone may be one that somebody chose, such as
 * `https` or `25565`: one with a letter and a digit is taken for made up. Pods of a StatefulSet, `name-0`, are no such
 * names: the next pod has the same.
 */
const WORD = new RegExp(`^(.+)-(${MADE_UP}{5})$`);

/** A subject whose name others in the record have shown to be made up. */
interface PassingSubject extends Subject {
  namedOnce: true;
}

/** Whether a container has a name that no later one will have. */
export function isNamedOnce(subject: Subject): boolean {
  const { container, inContainer } = subject;
  if (!inContainer || container === undefined) return false;
  return (subject as Partial<PassingSubject>).namedOnce === true || isMadeUp(container);
}

/**
 * Notes of each subject of a record that its name is made up, where only the others of its image show that:
 * those that differ by such a word alone are of one DaemonSet or Job.
 */
export function namesOnce(subjects: Iterable<Subject>): (subject: Subject) => Subject {
  const siblings = new Map<string, Set<string>>();
  for (const subject of subjects) {
    const key = siblingKey(subject);
    if (key !== undefined) siblings.set(key, (siblings.get(key) ?? new Set()).add(subject.container!));
  }
  return (subject) => passing(subject, siblings.get(siblingKey(subject) ?? ''));
}

function passing(subject: Subject, siblings: ReadonlySet<string> | undefined): Subject {
  if (siblings === undefined || siblings.size < 2) return subject;
  return Object.assign({}, subject, { namedOnce: true } satisfies Partial<PassingSubject>);
}

/** Equal for containers of one image whose names differ by a word that may be made up. */
function siblingKey({ container, image, inContainer }: Subject): string | undefined {
  const stem = inContainer && image ? WORD.exec(container ?? '')?.[1] : undefined;
  return stem === undefined ? undefined : JSON.stringify([image, stem]);
}

function isMadeUp(name: string): boolean {
  const [, , word = ''] = WORD.exec(name) ?? [];
  return ONCE.test(name) || (/\d/.test(word) && /[a-z]/.test(word));
}

/** A subject whose rule is for its image, as its container behaves like others. */
interface PooledSubject extends Subject {
  pooled: number;
}

/** Notes of each subject with how many containers it shares the rule for its image. */
export function poolSubjects(
  pools: readonly { image: string; containers: readonly string[] }[],
): (subject: Subject) => Subject {
  const sizes = new Map(
    pools.flatMap(({ containers, image }) =>
      containers.map((name) => [`${image}\0${name}`, containers.length]),
    ),
  );
  return (subject) => {
    const pooled = subject.inContainer ? sizes.get(`${subject.image}\0${subject.container}`) : undefined;
    if (pooled === undefined) return subject;
    return Object.assign({}, subject, { pooled } satisfies Partial<PooledSubject>);
  };
}

/** With how many containers a subject shares the rule for its image; undefined where it has one of its own. */
export function poolSize(subject: Subject): number | undefined {
  return (subject as Partial<PooledSubject>).pooled;
}

/**
 * Units of systemd whose next start has another name: of systemd-run, sessions, instances that a socket starts for each
 * connection, and what desktops and snaps start.
 */
const PASSING_UNIT = new RegExp(
  [
    '^run-(?:r[0-9a-f]{32}|u\\d+|p\\d+-i\\d+)\\.(?:scope|service)$',
    '^session-c?\\d+\\.scope$',
    '@\\d+-\\S+-\\S+\\.service$',
    '^app-.*[-@]\\S+\\.(?:scope|service)$',
    '-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\\.scope$',
  ].join('|'),
);

/** Whether a unit has a name that no later start will have. */
export function isPassingUnit(unit: string): boolean {
  return PASSING_UNIT.test(unit);
}
