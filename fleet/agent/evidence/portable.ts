import type { SubjectDocument } from '../../wire/subject-document.ts';
import type { Subject } from '../../../profiler/read/observation.ts';

/** What this host calls an id; undefined where it has no name. */
export type NameOf = (kind: 'user' | 'group', id: number) => string | undefined;

/** A number that docker compose, or an orchestrator, gives to each of several equal containers. */
const COUNTED = /^(.*[^-_])[-_]\d{1,5}$/;
/** What Kubernetes puts behind the name of a ReplicaSet, and behind that of a pod: no vowels, so that no words come out. */
const HASHED = /^(.*?[^-])(?:-[bcdfghjklmnpqrstvwxz2456789]{8,10})?-[bcdfghjklmnpqrstvwxz2456789]{5}$/;
/** What docker and podman call a container that was given no name: an adjective and a surname. */
const INVENTED = /^[a-z]+_[a-z]+\d?$/;
/** Units that are made for one session or one run. */
const PASSING = /^(?:session-[\da-z]+\.scope|run-[\w-]+\.(?:scope|service|mount)|user@\d+\.service)$/;

/**
 * A subject as other hosts that do the same have it. Names of users stand for ids where this host knows them and they
 * mean its users, which they don't in containers. Suffixes of one instance become `*`, as a rule writes it. Nothing that
 * is not listed here leaves the host: no arguments, environment, labels, process ids or paths of cgroups with an instance
 * in them.
 */
export function portableSubject(subject: Subject, nameOf: NameOf): SubjectDocument {
  const { command, container, exe, image, inContainer, script, undeleted } = subject;
  const unit = subject.unit === undefined || PASSING.test(subject.unit) ? undefined : subject.unit;
  const document: SubjectDocument = { command };
  if (exe !== undefined) document.exe = exe;
  if (undeleted) document.undeleted = true;
  if (script !== undefined) document.script = script;
  addIds(document, subject, inContainer ? () => undefined : nameOf);
  if (inContainer) document.inContainer = true;
  const name = container === undefined ? undefined : portableContainer(container, image);
  if (name !== undefined) document.container = name;
  if (image !== undefined) document.image = image;
  if (unit !== undefined) document.unit = unit;
  // In containers, and in units of one session, the path has a part of one instance.
  else if (!inContainer && subject.unit === undefined && subject.cgroup) document.cgroup = subject.cgroup;
  return document;
}

function addIds(document: SubjectDocument, subject: Subject, nameOf: NameOf): void {
  const { egid, euid, gid, uid } = subject;
  const user = nameOf('user', uid);
  if (user === undefined) document.uid = uid;
  else document.user = user;
  const group = nameOf('group', gid);
  if (group === undefined) document.gid = gid;
  else document.group = group;
  if (euid !== undefined && euid !== uid) {
    const euser = nameOf('user', euid);
    if (euser === undefined) document.euid = euid;
    else document.euser = euser;
  }
  if (egid !== undefined && egid !== gid) {
    const egroup = nameOf('group', egid);
    if (egroup === undefined) document.egid = egid;
    else document.egroup = egroup;
  }
}

/**
 * The name of a container without what is of one instance; undefined where nothing is left. An invented name is left out
 * where the image says what it is.
 */
function portableContainer(name: string, image: string | undefined): string | undefined {
  // By Kubernetes: namespace and container, which are the same for each pod.
  if (name.includes('/')) return name;
  if (image !== undefined && INVENTED.test(name)) return undefined;
  const [, stem] = COUNTED.exec(name) ?? HASHED.exec(name) ?? [];
  return stem === undefined ? name : `${stem}${name[stem.length]}*`;
}
