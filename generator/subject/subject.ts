import { isNameable, REPLACED } from '../../policy/file/entry.ts';
import { FROM, TEXT_DIMENSIONS } from '../../policy/meaning/dimension.ts';
import type { From } from '../../policy/meaning/policy.ts';
import { Accounts, DELETED, ELSEWHERE, type Subject, UNKNOWN_ID } from '../../profiler/read/observation.ts';
import { subsetsOf, userIds } from './ids.ts';
import { namesInstances } from '../fleet/instance-name.ts';
import { isMixed, standsForName, userName } from '../fleet/user-name.ts';
import { isNamedOnce, isPassingUnit, poolSize } from './passing-name.ts';
import { type VersionedDimension, versionsOf } from './version.ts';

/**
 * What a subject is. `auto`: the container, elsewhere the executable and the script that it runs; each with
 * the uid. `host`: all processes are one.
 */
export type SubjectKind = 'auto' | 'host' | 'exe' | 'script' | 'container' | 'image' | 'unit' | 'uid';

/** A subject as a rule names it. Observed subjects that a rule cannot distinguish have the same one. */
export interface RuleSubject {
  /** Equal keys are equal subjects. */
  key: string;
  /** For people: paths may hold spaces, so different subjects may read alike. */
  name: string;
  /**
   * One value for each dimension that tells this subject from others; of `uid` all that the process has,
   * which a rule must list to allow it.
   */
  from: From;
  /**
   * A rule for a subject of lower rank may match one of higher rank too (a rule for a command name also
   * allows the executable of that name), never the other way round.
   */
  rank: number;
  /** Whether something firmer than a command name, which any process can choose, identifies it. */
  named: boolean;
}

/**
 * Who a rule is about. Where the record does not hold what `by` asks for, and for `auto`: in a container the
 * container and uid (the cgroup, where the container is not known), elsewhere the executable (with the
 * script, when an interpreter runs one) and uid, and where the executable is not known the command name and
 * uid. Containers of which each has another name are known by their image, where it is recorded. Undefined
 * when the record holds nothing that a policy could name. The name has those of users in it
 * that are known, but for containers, where other users have the ids.
 */
export function ruleSubject(
  subject: Subject,
  by: SubjectKind = 'auto',
  accounts = new Accounts(),
): RuleSubject | undefined {
  const uids: Uids = { ids: userIds(subject), accounts: subject.inContainer ? new Accounts() : accounts };
  return chosenSubject(subject, by, uids, accounts) ?? defaultSubject(subject, uids);
}

/**
 * The keys of all subjects that a rule for this one takes too: its own, and where its ids differ those of the
 * same with some of the ids.
 */
export function coveredKeys({ from, key }: RuleSubject): string[] {
  if (from.uid === undefined || from.uid.length === 1) return [key];
  return subsetsOf(from.uid).map((uid) => subjectKey({ ...from, uid }));
}

/** Whether a rule for this subject is for every process that gives itself its name. */
export function byCommandAlone({ from }: RuleSubject): boolean {
  const texts = TEXT_DIMENSIONS.filter((dimension) => from[dimension]);
  return texts.length > 0 && texts.every((dimension) => FROM[dimension].role === 'claim') && !from.gid;
}

/** The user ids of a subject, and what they are called where it runs. */
interface Uids {
  ids: number[];
  accounts: Accounts;
}

/** `ruleSubject` for many observations: those of one subject hold the same object, so it is named once. */
export function subjectNamer(
  by: SubjectKind | undefined,
  accounts?: Accounts,
): (subject: Subject) => RuleSubject | undefined {
  const known = new Map<Subject, RuleSubject | undefined>();
  return (subject) => {
    if (!known.has(subject)) known.set(subject, ruleSubject(subject, by, accounts));
    return known.get(subject);
  };
}

/** The rank of what was asked for: all else is a substitute. */
const CHOSEN = 4;

/** The rank of a rule that holds for every process. */
const ANYBODY = -1;

function chosenSubject(
  subject: Subject,
  by: SubjectKind,
  uids: Uids,
  accounts: Accounts,
): RuleSubject | undefined {
  const { container, image, inContainer, unit } = subject;
  if (by === 'host') return subjectOf('any process', {}, ANYBODY);
  if (by === 'exe' || by === 'script') return programSubject(subject, by, uids);
  if (by === 'container' && inContainer && container && isNameable('container', container)) {
    return subjectOf(`container ${container}`, { container: [container] }, CHOSEN);
  }
  if (by === 'image' && inContainer && image && isNameable('image', image))
    return ruleFor(`image ${image}`, { image: [image] }, uids, CHOSEN);
  if (by === 'unit' && isLastingUnit(unit)) return ruleFor(`unit ${unit}`, { unit: [unit] }, uids, CHOSEN);
  // The same rule is for containers and for the host.
  return by === 'uid' ? usersOf(uids, accounts) : undefined;
}

/** All processes of a user; none where the user is unknown. */
function usersOf(uids: Uids, accounts: Accounts): RuleSubject | undefined {
  if (isUnknown(uids) || isMixed(uids.ids)) return undefined;
  return subjectOf(uidText({ ...uids, accounts }), { uid: uids.ids }, CHOSEN);
}

/**
 * A program by its path, which in a container means a file of the image, or of the container where that is
 * not known.
 */
function programSubject(subject: Subject, by: 'exe' | 'script', uids: Uids): RuleSubject | undefined {
  const { script } = subject;
  const exe = fileOf(subject);
  const found = hostOrContainer(subject);
  if (!found || exe === undefined || !isWritable(subject, 'exe', exe)) return undefined;
  const [prefix, where] = found;
  if (by === 'exe') return ruleFor(`${prefix}${exe}`, { ...where, exe: [exe] }, uids, CHOSEN);
  if (!isPath(script) || !isWritable(subject, 'script', script)) return undefined;
  return ruleFor(`${prefix}${exe} ${script}`, { ...where, exe: [exe], script: [script] }, uids, CHOSEN);
}

/**
 * Where a path means a file, in words and as a rule names it; undefined in a container that no rule can name.
 */
function hostOrContainer({
  container,
  image,
  inContainer,
}: Subject): [prefix: string, where: From] | undefined {
  if (!inContainer) return ['', {}];
  if (image && isNameable('image', image)) return [`image ${image} `, { image: [image] }];
  if (!container || !isNameable('container', container)) return undefined;
  return [`container ${container} `, { container: [container] }];
}

function defaultSubject(subject: Subject, uids: Uids): RuleSubject | undefined {
  const { command } = subject;
  if (subject.inContainer) return containerSubject(subject, uids);
  if (isElsewhere(subject)) return wholeUnit(subject, uids);
  const { script } = subject;
  const exe = fileOf(subject);
  if (exe !== undefined) {
    // Nothing that stands for more than these two may take their place.
    if (!isWritable(subject, 'exe', exe)) return undefined;
    if (isPath(script) && !isWritable(subject, 'script', script)) return undefined;
    if (!isPath(script)) return ruleFor(exe, { exe: [exe] }, uids, 1);
    return ruleFor(`${exe} ${script}`, { exe: [exe], script: [script] }, uids, 2);
  }
  if (command === '' || !isNameable('command', command)) return undefined;
  return ruleFor(`command ${command}`, { command: [command] }, uids, 0);
}

/** A rule for an image holds for containers with names too, so it has a lower rank than one for those. */
function containerSubject(subject: Subject, uids: Uids): RuleSubject | undefined {
  const { container, image } = subject;
  if ((isNamedOnce(subject) || poolSize(subject) !== undefined) && image && isNameable('image', image))
    return ruleFor(`image ${image}`, { image: [image] }, uids, 2);
  if (container && (namesInstances(subject) || isNameable('container', container)))
    return ruleFor(`container ${container}`, { container: [container] }, uids, 3);
  return unknownContainer(subject, uids);
}

/**
 * A container without a name. Its executables are no files of the host, so all that a rule can name is its
 * cgroup, if it has one to itself: processes of the host live in the root and in systemd's units as well. A
 * path that is cut off (`/.../box`) is no cgroup's, and one that holds a container's id will not be seen
 * again.
 */
function unknownContainer({ cgroup }: Subject, uids: Uids): RuleSubject | undefined {
  if (cgroup === undefined || /^\/($|\.\.\.\/)|[0-9a-f]{64}|\.(service|scope|slice)$/.test(cgroup))
    return undefined;
  if (!isNameable('cgroup', cgroup)) return undefined;
  return ruleFor(`unknown container in ${cgroup}`, { cgroup: [cgroup] }, uids, 3);
}

/** What an import of a source that knows no process is called. */
const SOURCELESS = 'no process, as the source of the import knows none';

/** Whether nothing is known of who connected, since what was imported doesn't say it. */
export function isSourceless({ command, container, exe, image, uid, unit }: Subject): boolean {
  return uid === UNKNOWN_ID && command === '' && [container, exe, image, unit].every((text) => !text);
}

const NO_FILE_OF_HOST =
  'no rule can name it: the program is no file of the host, and no service is its alone';

/** Whether it runs a program that is not the file that the host has at that path: in another root, behind mounts. */
export function isElsewhere({ exe, inContainer }: Subject): boolean {
  return !inContainer && exe?.startsWith(ELSEWHERE) === true;
}

/**
 * A program that is no file of the host, by the service that it is part of: no path can name it. Scopes, and
 * what the services of users run, may be anything that a user starts.
 */
function wholeUnit({ unit }: Subject, uids: Uids): RuleSubject | undefined {
  if (!isLastingUnit(unit) || !/^(?!user@).*\.service$/.test(unit)) return undefined;
  return ruleFor(`unit ${unit}`, { unit: [unit] }, uids, 1);
}

/** Whether a rule can name a unit, and its next start has that name too. */
function isLastingUnit(unit: string | undefined): unit is string {
  return unit !== undefined && unit !== '' && !isPassingUnit(unit) && isNameable('unit', unit);
}

/** What to call one whom no rule can name, with the reason where more is known than its ids. */
export function unnamedSubject(subject: Subject, accounts = new Accounts()): string {
  const ids = userIds(subject);
  if (isSourceless(subject)) return SOURCELESS;
  if (subject.inContainer) return `unknown container ${uidText({ ids, accounts: new Accounts() })}`;
  const who = uidText({ ids, accounts });
  const { script } = subject;
  if (isElsewhere(subject)) return `${subject.exe} ${who} (${NO_FILE_OF_HOST})`;
  const exe = fileOf(subject);
  const reason = exe === undefined ? undefined : (unwritable('exe', exe) ?? unwritable('script', script));
  if (reason === undefined) return `unknown process ${who}`;
  return `${exe}${isPath(script) ? ` ${script}` : ''} ${who} (no rule can name it: ${reason})`;
}

/** Whether a rule can name a file of a subject: a pattern of versions is written on purpose. */
function isWritable(subject: Subject, dimension: VersionedDimension, path: string): boolean {
  return versionsOf(subject, dimension) !== undefined || isNameable(dimension, path);
}

/** Why a rule cannot name this file; undefined where it can, or where none is known. */
function unwritable(dimension: 'exe' | 'script', path: string | undefined): string | undefined {
  if (!isPath(path) || isNameable(dimension, path)) return undefined;
  const what = `the path of its ${dimension === 'exe' ? 'executable' : 'script'}`;
  if (path.includes('*')) return `${what} holds *`;
  if (path.includes(REPLACED)) return `${what} is no UTF-8`;
  return `${what} holds control characters`;
}

/** Whether no source has said whose the process was. */
function isUnknown({ ids }: Uids): boolean {
  return ids.includes(UNKNOWN_ID);
}

/** `uid 33 (www-data)`; `uid 0 (root)+1000 (ada)` of a process that has both; `user ada` where names stand for ids. */
function uidText({ accounts, ids }: Uids): string {
  if (ids.some(standsForName)) return `user ${ids.map((id) => userName(id, accounts)).join('+')}`;
  if (ids.includes(UNKNOWN_ID)) return 'any user';
  return `uid ${ids.map((id) => accounts.text('user', id)).join('+')}`;
}

function ruleFor(name: string, who: From, uids: Uids, rank: number): RuleSubject | undefined {
  if (isMixed(uids.ids)) return undefined;
  const from = isUnknown(uids) ? who : { ...who, uid: uids.ids };
  return subjectOf(`${name} ${uidText(uids)}`, from, rank);
}

function subjectOf(name: string, from: From, rank: number): RuleSubject {
  return { key: subjectKey(from), name, from, rank, named: rank > 0 };
}

function subjectKey(from: From): string {
  return JSON.stringify(from);
}

/** The file that a process outside containers or in one executes, where it has a path that a policy could hold. */
function fileOf({ exe, undeleted }: Subject): string | undefined {
  return undeleted === true || isPath(exe) ? exe : undefined;
}

/** A memfd or a deleted file has no path that a policy could hold. */
function isPath(path: string | undefined): path is string {
  return path !== undefined && path.startsWith('/') && !path.startsWith('/memfd:') && !path.endsWith(DELETED);
}
