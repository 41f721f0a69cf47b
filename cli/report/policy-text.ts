import type { Enforcement } from '../../daemon/enforcement.ts';
import type { Session } from '../../daemon/session.ts';
import { formatMoment } from '../../format/moment.ts';
import { ruleEnds } from '../../policy/meaning/end.ts';
import { blocksSome, describeModes } from '../../policy/meaning/mode.ts';

/** Containers that a warning names. */
const SHOWN = 3;

/** What is in force, and which of its rules match nothing here. */
export function describePolicy(file: string, enforcement: Enforcement, session: Session): string {
  const { missingInside, policy, unknownAccounts, unresolved } = enforcement;
  const whole = session.cgroup ?? 'the whole host';
  const allowed = policy.boxes.filter((box) => box.action === 'allow').length;
  const lines = [
    `${blocksSome(policy) ? 'Blocking' : 'Monitoring'} by ${file}: ` +
      `${policy.boxes.length - allowed} deny and ${allowed} allow entries for ${policy.target === 'host' ? whole : `containers of ${whole}`}.`,
    ...(policy.modes ? [`The mode is not the same for all: ${describeModes(policy)}.`] : []),
  ];
  const now = Date.now() * 1000;
  for (const { rule, until } of ruleEnds(policy)) {
    const at = formatMoment(until);
    lines.push(
      until > now
        ? `Rule "${rule}" ends by itself at ${at}.`
        : `Warning: rule "${rule}" ended at ${at}: it allows nothing.`,
    );
  }
  for (const path of unresolved)
    lines.push(`Warning: ${path} does not exist here; until it does, no rule that names it matches.`);
  for (const account of unknownAccounts)
    lines.push(`Warning: this host has no ${account}; until it does, no rule that names it matches.`);
  for (const [path, names] of missingInside) {
    const more = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : '';
    lines.push(
      `Warning: ${path} does not exist in container ${names.slice(0, SHOWN).join(', ')}${more}; until it does, no rule that names it matches there.`,
    );
  }
  return lines.map((line) => `${line}\n`).join('');
}
