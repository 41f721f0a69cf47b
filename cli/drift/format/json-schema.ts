import type { Change } from '../../../generator/drift/finding/change.ts';
import type { Drift } from '../../../generator/drift/drift.ts';
import type { DriftEntry, RecordedVerdict, Relation } from '../../../generator/drift/entry.ts';
import type { OutlierHost } from '../../../generator/drift/finding/outlier.ts';
import { type FindingHosts, FINDING_KINDS, SEVERITIES } from '../../../generator/drift/finding/finding.ts';
import type { PlainFinding } from './json.ts';

/** The fields of what is described: the compiler asks for each of them. */
type Fields<T> = Record<keyof T, object>;

const RELATIONS: Record<Relation, true> = {
  'allowed by': true,
  'denied by': true,
  'other destination': true,
  'other socket': true,
  'other subject': true,
  ended: true,
};
const RECORDED: Record<RecordedVerdict, true> = { allowed: true, denied: true, 'would be denied': true };

const text = (description: string): object => ({ type: 'string', description });
const number = (description: string): object => ({ type: 'integer', minimum: 0, description });
const moment = (description: string): object => ({
  type: 'string',
  format: 'date-time',
  description: `${description}, ISO 8601 in UTC.`,
});
const list = (items: object, description: string): object => ({ type: 'array', items, description });
const ref = (name: string): object => ({ $ref: `#/definitions/${name}` });

/** An object without other fields than these, all of them there but for the optional ones. */
function shape(properties: Record<string, object>, optional: readonly string[] = []): object {
  const required = Object.keys(properties).filter((key) => !optional.includes(key));
  return { type: 'object', properties, required, additionalProperties: false };
}

const rule = shape({
  name: text('The name of the rule.'),
  relation: {
    enum: Object.keys(RELATIONS),
    description: 'Whether it decides, or what of it does not match.',
  },
} satisfies Fields<NonNullable<DriftEntry['rule']>>);

const hosts = shape({
  shown: number('How many of the hosts that count showed it.'),
  of: number('How many hosts count.'),
  names: list({ type: 'string' }, 'Those that showed it, as rules name them.'),
} satisfies Fields<FindingHosts>);

const OUTLIER: Fields<OutlierHost> = {
  host: text('As rules name it.'),
  alone: number('Destinations of subjects that it alone showed.'),
  shown: number('All that it showed.'),
  usual: {
    type: 'number',
    minimum: 0,
    maximum: 1,
    description: 'The share of the first in the second of the median host.',
  },
};

const recorded = shape(
  {
    verdict: { enum: Object.keys(RECORDED), description: 'What the kernel decided.' },
    rule: text('By which rule.'),
  } satisfies Fields<NonNullable<DriftEntry['recorded']>>,
  ['rule'],
);

const ENTRY: Fields<DriftEntry> = {
  subject: text('Who, as a rule would name it.'),
  command: text('The name of the thread (comm), at most 15 bytes.'),
  exe: text('Path of the executable.'),
  script: text('What an interpreter was started with.'),
  uid: number('Real user id.'),
  euid: number('Effective user id, where it is another.'),
  fsuid: number('User id for files, where it is another.'),
  inContainer: { type: 'boolean', description: 'Whether it was in a container.' },
  container: text('Name of the container.'),
  image: text('Image of the container.'),
  address: text('IPv4 or IPv6 address; absent where a socket was opened.'),
  port: { type: 'integer', minimum: 0, maximum: 65_535, description: '0 where the protocol has none.' },
  protocol: text('By name, or the IANA number.'),
  socket: text('The kind of socket that was opened.'),
  names: list({ type: 'string' }, 'What the address was known by, the best first.'),
  nameDrift: text('What names have to do with it.'),
  count: number('Events.'),
  first: moment('The first of them'),
  last: moment('The last of them'),
  rule: ref('rule'),
  recorded: ref('recorded'),
};
const OF_SOME: readonly (keyof DriftEntry)[] = [
  'exe',
  'script',
  'euid',
  'fsuid',
  'container',
  'image',
  'address',
  'port',
  'protocol',
  'socket',
  'names',
  'nameDrift',
  'rule',
  'recorded',
];

const FINDING: Fields<PlainFinding> = {
  id: { type: 'string', pattern: '^[0-9a-v]{12}$', description: 'Stays the same from report to report.' },
  kind: { enum: [...FINDING_KINDS], description: 'What it says.' },
  severity: { enum: [...SEVERITIES], description: 'How bad it is.' },
  subject: text('Who, as a rule would name it; of a finding about a rule, the rule.'),
  destination: text('Where, or what of a rule.'),
  rule: ref('rule'),
  count: number('Events.'),
  first: moment('The first of them'),
  last: moment('The last of them, or the last one before a silence'),
  hosts: ref('hosts'),
  evidence: list({ type: 'string' }, 'Sentences without a full stop.'),
  suggestion: text('One line that would settle it.'),
  addresses: list({ type: 'string' }, 'The addresses that it is about.'),
};
const OF_SOME_FINDINGS: readonly (keyof PlainFinding)[] = ['rule', 'first', 'last', 'hosts', 'addresses'];

const CHANGE: Fields<Change> = {
  subject: text('Who.'),
  first: moment('The first of its destinations that are not allowed'),
  noticedAt: moment('When they were too many for chance'),
  destinations: number('Destinations that are not allowed, from the first of them on.'),
  events: number('Events of the subject since.'),
  usual: { type: 'number', minimum: 0, maximum: 1, description: 'The share of new destinations before.' },
};

const entries = (description: string): object => list(ref('entry'), description);

const PARTS: Fields<Drift> = {
  new: entries('Went through, and the policy would not allow it.'),
  denied: entries('Was stopped, and the policy would stop it again.'),
  disagreed: entries('The kernel decided otherwise than the policy reads.'),
  shared: entries('Allowed by a name that only others asked for.'),
};

/**
 * The JSON Schema (draft-07) of what `drift --json` prints, of each line of `--format ndjson`, and of what `drift --watch`
 * sends.
 */
export function driftJsonSchema(): object {
  const acknowledged = {
    ...FINDING,
    reason: text('Why it is left out.'),
    end: moment('Until when it is'),
  };
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'bouheki drift',
    description:
      'A drift report (bouheki.drift/v1), one finding of it (bouheki.finding/v1), or those of a round of drift --watch (bouheki.findings/v1).',
    oneOf: [
      shape(
        {
          schema: { const: 'bouheki.drift/v1' },
          ...PARTS,
          changes: list(
            ref('change'),
            'Subjects that do more that is not allowed than they ever did new things.',
          ),
          acknowledged: list(shape(acknowledged, OF_SOME_FINDINGS), 'Findings that are left out.'),
          findings: list(shape(FINDING, OF_SOME_FINDINGS), 'The worst first.'),
          outliers: list(shape(OUTLIER), 'In a fleet: hosts that differ from the others.'),
        },
        ['outliers'],
      ),
      shape({ schema: { const: 'bouheki.finding/v1' }, ...FINDING }, OF_SOME_FINDINGS),
      shape({
        schema: { const: 'bouheki.findings/v1' },
        policy: text('The policy file.'),
        findings: list(shape(FINDING, OF_SOME_FINDINGS), 'What is new.'),
      }),
    ],
    definitions: { rule, hosts, recorded, entry: shape(ENTRY, OF_SOME), change: shape(CHANGE) },
  };
}

/** The text of the committed `drift.schema.json`. */
export function printDriftSchema(): string {
  return `${JSON.stringify(driftJsonSchema(), null, 2)}\n`;
}
