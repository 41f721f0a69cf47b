import { BouhekiError } from '../error/error.ts';
import type { Target } from '../policy/meaning/policy.ts';
import type { Accounts } from '../profiler/read/observation.ts';
import type { RecordedObservation } from '../profiler/read/read.ts';
import { describeShortage, type FleetEvidence, type Quorum, quorumOf } from './quorum.ts';
import { type Omission, type Selection, selectObservations } from './subject/select.ts';

/** What was observed, by whom. */
interface GrantInput {
  observations: readonly RecordedObservation[];
  accounts?: Accounts;
  fleet?: FleetEvidence;
}

type GrantOptions = Parameters<typeof selectObservations>[1] & { target: Target };

/** As `shownBy`. Throws BouhekiError `no-data` where nothing is granted. */
export function selectGranted(input: GrantInput, options: GrantOptions): Granted {
  const selected = shownBy(input, options);
  const { granted, shown } = selected;
  if (granted.demands.length === 0) throw nothingToAllow(granted.omissions, options.target, shown);
  return selected;
}

interface Granted {
  all: Selection;
  granted: Selection;
  shown?: Quorum;
}

/** What is granted: all that was observed, in a fleet by enough hosts. */
export function shownBy({ accounts, fleet, observations }: GrantInput, options: GrantOptions): Granted {
  const select = { ...options, ...(accounts && { accounts }) };
  const all = selectObservations(observations, select);
  const shown = fleet && quorumOf(all.demands, fleet);
  if (shown === undefined) return { all, granted: all };
  const few = new Set(shown.withheld.flatMap((each) => each.observations));
  if (few.size === 0 && shown.aged.size === 0) return { all, granted: all, shown };
  // What is withheld may not even keep a metadata address from being denied.
  const left = observations.filter((each) => !few.has(each)).map((each) => shown.aged.get(each) ?? each);
  return { all, granted: selectObservations(left, select), shown };
}

function nothingToAllow(
  omissions: readonly Omission[],
  target: Target,
  quorum: Quorum | undefined,
): BouhekiError {
  if (quorum && quorum.withheld.length > 0) {
    const shortage = describeShortage(quorum);
    return new BouhekiError('no-data', `no destination was shown by ${quorum.least} hosts`, {
      remedy: 'Ask for fewer with --min-hosts, or wait until more hosts have recorded.',
      ...(shortage !== undefined && { detail: shortage }),
    });
  }
  if (omissions.length > 0) {
    const reasons = [...new Set(omissions.map((omission) => omission.reason))].join(', ');
    const sourceless = omissions.some(({ reason }) => reason === 'no process known');
    return new BouhekiError('no-data', `every observation was left out: ${reasons}`, {
      remedy: sourceless
        ? 'What was imported names no process. With --by host one rule allows every process to go there.'
        : 'A policy without a rule would deny everything; see --include-denied, --allow-command-rules and --deny.',
    });
  }
  const where = target === 'container' ? ' of containers' : '';
  return new BouhekiError('no-data', `no connections${where} were recorded in this window`, {
    remedy: 'Record with `bouheki learn`, or widen --since and --until.',
  });
}
