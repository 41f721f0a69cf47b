import type { Subject } from '../../profiler/read/observation.ts';

/** What was seen of subjects. */
export interface Seen<Observation, Activity> {
  observations: readonly Observation[];
  activity: readonly Activity[];
}

/**
 * A record in which each subject is what `change` makes of it, which is told all of them first. Those of one
 * subject hold the same object, as they did before, and what does not change is the same object too.
 */
export function changeSubjects<O extends { subject: Subject }, A extends { subject: Subject }>(
  { activity, observations }: Seen<O, A>,
  change: (subjects: ReadonlySet<Subject>) => (subject: Subject) => Subject,
): { observations: O[]; activity: A[] } {
  const subjects = new Set<Subject>();
  let last: Subject | undefined;
  for (const { subject } of observations) {
    // Those of one subject mostly come one after the other.
    if (subject !== last) subjects.add((last = subject));
  }
  for (const { subject } of activity) subjects.add(subject);
  const one = change(subjects);
  const changed = new Map([...subjects].map((subject) => [subject, one(subject)]));
  if ([...changed].every(([before, after]) => before === after)) {
    return { observations: [...observations], activity: [...activity] };
  }
  const withChanged = <T extends { subject: Subject }>(each: T): T => {
    const subject = changed.get(each.subject)!;
    return subject === each.subject ? each : { ...each, subject };
  };
  return { observations: observations.map(withChanged), activity: activity.map(withChanged) };
}
