import type { Action, Box, Mode, ModeEntry, Policy, Verdict } from './policy.ts';

/** The modes of a policy. */
interface Modes {
  mode: Mode;
  modes?: ModeEntry[] | undefined;
}

/** The same without the subjects, as a status has them. */
interface ModeNames {
  mode: Mode;
  modes?: readonly Pick<ModeEntry, 'name' | 'mode'>[] | undefined;
}

/** Entries that are named in one line. */
const SHOWN = 5;

/** Whether any subject is blocked. */
export function blocksSome({ mode, modes }: ModeNames): boolean {
  return mode === 'block' || modes?.some((entry) => entry.mode === 'block') === true;
}

/** Whether any subject is only monitored. */
export function monitorsSome({ mode, modes }: ModeNames): boolean {
  return mode === 'monitor' || modes?.some((entry) => entry.mode === 'monitor') === true;
}

/** What becomes of a denial: whether it blocks, or is only recorded. */
export function modeOf({ mode, modes }: ModeNames, { modeEntry }: Verdict): Mode {
  return modeEntry === undefined ? mode : modes![modeEntry]!.mode;
}

/**
 * Whether a verdict stops a connection where the policy is put in force to block: one without mode entries is taken for
 * one that blocks everybody, whatever its mode is.
 */
export function stops(policy: ModeNames, verdict: Verdict): boolean {
  if (verdict.action === 'allow') return false;
  return policy.modes === undefined || modeOf(policy, verdict) === 'block';
}

/** `block mode`; with entries `block mode, but monitor for deploy, ci` with the names of those that differ. */
export function describeModes({ mode, modes }: ModeNames): string {
  const others = [...new Set(modes?.filter((entry) => entry.mode !== mode).map(({ name }) => name))];
  if (others.length === 0) return `${mode} mode`;
  const more = others.length > SHOWN ? ` and ${others.length - SHOWN} more` : '';
  const names = `${others.slice(0, SHOWN).join(', ')}${more}`;
  return `${mode} mode, but ${mode === 'block' ? 'monitor' : 'block'} for ${names}`;
}

/** The modes of a policy without its subjects. */
export function modeNames({ mode, modes }: Modes): { mode: Mode; modes?: { name: string; mode: Mode }[] } {
  return { mode, ...(modes && { modes: modes.map((entry) => ({ name: entry.name, mode: entry.mode })) }) };
}

/** The policy in monitor mode for every subject: it blocks nothing. */
export function monitored(policy: Policy): Policy {
  const { modes: _modes, ...rest } = policy;
  return { ...rest, mode: 'monitor' };
}

/**
 * How a mode entry matches: that of `block` as a deny does, that of `monitor` as an allow does. So a doubt about who
 * acts has a subject blocked, never monitored.
 */
export function actionOf({ mode }: Pick<ModeEntry, 'mode'>): Action {
  return mode === 'block' ? 'deny' : 'allow';
}

/**
 * The mode entries as boxes without a destination, and behind them one for everybody else: the first that accepts a
 * subject says its mode. None where the policy has one mode for all.
 */
function modeBoxes({ mode, modes }: Modes): Box[] {
  if (!modes) return [];
  const entries: ModeEntry[] = [...modes, { name: 'mode', from: {}, mode }];
  return entries.map((entry) => ({
    action: actionOf(entry),
    name: entry.name,
    from: entry.from,
    to: { sockets: [] },
  }));
}

/** Everything of a policy that names a subject: its boxes, and behind them those of its modes. */
export function subjectBoxes(policy: Modes & Pick<Policy, 'boxes'>): Box[] {
  return [...policy.boxes, ...modeBoxes(policy)];
}
