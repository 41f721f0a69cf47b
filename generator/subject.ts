import type { From } from '../policy/policy.ts';
import type { Subject } from '../profiler/observation.ts';

/** A subject as a rule names it. Observed subjects that a rule cannot tell apart have the same one. */
export interface RuleSubject {
  /** Equal keys are equal subjects. */
  key: string;
  /** For people: paths may hold spaces, so different subjects may read alike. */
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
  const { command, uid } = subject;
  if (subject.inContainer && subject.container) {
    const { container } = subject;
    return ruleFor(`container ${container}`, { container: [container] }, uid, true);
  }
  if (isPath(subject.exe)) {
    const { exe, script } = subject;
    if (!isPath(script)) return ruleFor(exe, { exe: [exe] }, uid, true);
    return ruleFor(`${exe} ${script}`, { exe: [exe], script: [script] }, uid, true);
  }
  return command === '' ? undefined : ruleFor(`command ${command}`, { command: [command] }, uid, false);
}

function ruleFor(name: string, who: From, uid: number, named: boolean): RuleSubject {
  const from = { ...who, uid: [uid] };
  return { key: JSON.stringify(from), name: `${name} uid ${uid}`, from, named };
}

/** A memfd or a deleted file has no path that a policy could hold. */
function isPath(path: string | undefined): path is string {
  return (
    path !== undefined && path.startsWith('/') && !path.startsWith('/memfd:') && !path.endsWith(' (deleted)')
  );
}
