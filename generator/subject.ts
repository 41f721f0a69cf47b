import type { From } from '../policy/policy.ts';
import type { Subject } from '../profiler/observation.ts';

/** A subject as a rule names it. Observed subjects that a rule cannot tell apart have the same one. */
export interface RuleSubject {
  /** For people, and unique: equal names are equal subjects. */
  name: string;
  from: From;
  /** Whether something firmer than a command name, which any process can choose, identifies it. */
  named: boolean;
}

/**
 * Who a rule is about: in a container the container and uid, elsewhere the executable (with the script, when an
 * interpreter runs one) and uid, and where the executable is not known the command name and uid. Undefined when the
 * record holds nothing that a policy could name.
 */
export function ruleSubject(subject: Subject): RuleSubject | undefined {
  const { uid } = subject;
  if (subject.inContainer && subject.container) {
    const container = subject.container;
    return {
      name: `container ${container} uid ${uid}`,
      from: { container: [container], uid: [uid] },
      named: true,
    };
  }
  if (isPath(subject.exe)) {
    const script = isPath(subject.script) ? subject.script : undefined;
    return {
      name: `${subject.exe}${script === undefined ? '' : ` ${script}`} uid ${uid}`,
      from: { exe: [subject.exe], ...(script === undefined ? {} : { script: [script] }), uid: [uid] },
      named: true,
    };
  }
  if (subject.command === '') return undefined;
  return {
    name: `command ${subject.command} uid ${uid}`,
    from: { command: [subject.command], uid: [uid] },
    named: false,
  };
}

/** A memfd or a deleted file has no path that a policy could hold. */
function isPath(path: string | undefined): path is string {
  return (
    path !== undefined && path.startsWith('/') && !path.startsWith('/memfd:') && !path.endsWith(' (deleted)')
  );
}
