import { InvalidArgumentError, Option } from 'commander';
import {
  FINDING_KINDS,
  type FindingKind,
  type Grouping,
  GROUPINGS,
} from '../../generator/drift/finding/finding.ts';
import { readDuration } from '../option/duration.ts';
import { FORMATS } from './format/format-name.ts';

/** What the policy does not allow, or did not: other kinds are worth a look, and no reason to fail. */
const DRIFT: FindingKind[] = ['new', 'identity changed', 'moved', 'denied', 'disagreed'];

export function formatOption(): Option {
  return new Option('--format <format>', 'how to print it').choices(FORMATS).default('text');
}

export function groupByOption(): Option {
  return new Option(
    '--group-by <what>',
    'put findings together that have the same: subject, rule, destination',
  )
    .argParser(readGroupings)
    .default(['subject', 'rule'], 'subject,rule');
}

export function limitOption(): Option {
  return new Option('--limit <groups>', 'print as many groups, the worst first; 0: all; JSON has all')
    .argParser(readLimit)
    .default(10);
}

/** `days`: the default; more than a week, so that weekly jobs are not called unused. */
export function unusedAfterOption(days: number): Option {
  return new Option('--unused-after <duration>', 'call unused what was silent for so long in any case')
    .argParser(readDuration)
    .default(days * 86_400, `${days}d`);
}

export function ignoreOption(): Option {
  return new Option('--ignore <file>', 'leave out what it acknowledges: ID DATE REASON a line');
}

export function failOnOption(): Option {
  return new Option('--fail-on <kinds>', 'end with 1 for findings of these kinds alone, with commas between')
    .argParser(readKinds)
    .default(DRIFT, DRIFT.map(kindName).join(','));
}

function readGroupings(text: string): Grouping[] {
  return text.split(',').map((word) => {
    const grouping = GROUPINGS.find((each) => each === word);
    if (grouping === undefined)
      throw new InvalidArgumentError(`It must be some of ${GROUPINGS.join(', ')}, with commas between.`);
    return grouping;
  });
}

function readLimit(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('It must be a number.');
  return Number(text);
}

function readKinds(text: string): FindingKind[] {
  return text.split(',').map((word) => {
    const kind = FINDING_KINDS.find((each) => kindName(each) === word);
    if (kind === undefined)
      throw new InvalidArgumentError(`It must be some of ${FINDING_KINDS.map(kindName).join(', ')}.`);
    return kind;
  });
}

/** A kind as one word. */
function kindName(kind: FindingKind): string {
  return kind.replaceAll(' ', '-');
}
