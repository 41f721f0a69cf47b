import * as z from 'zod';
import type { SetKind, ToKey } from './document.ts';
import { LIMITS } from './limit.ts';
import type { From } from '../meaning/policy.ts';
import { PREFIX_GROUPS } from '../value/prefix-group.ts';
import { PROTOCOL_NAMES } from '../value/protocol.ts';
import { SOCKET_COSTS, SOCKET_KINDS } from '../value/socket-kind.ts';

/**
 * The shape of a policy file. What a shape cannot say (that a text is a CIDR, that ranges are in order) is
 * checked where the boxes are made. The JSON Schema for editors is generated from here.
 */

const text = z.string().min(1).max(LIMITS.text);
/** YAML reads an implicit key only up to 1,024 characters, and each of these may take six in quotes. */
const label = z.string().min(1).max(128);
const id = z.int().min(0).max(4_294_967_295);

const addresses = `An address (10.0.0.1), a CIDR (10.0.0.0/8, "fd00::/8") or a group: ${PREFIX_GROUPS.join(', ')}`;
/** In version 1, which has no sets. */
const plainCidr = text.describe(`${addresses}.`);
const cidr = text.describe(`${addresses}; or a set ("@NAME").`);
const portFault = 'must be a port, 0 to 65535, or a range such as "8000-8010"';
const port = z
  .union([z.int().min(0).max(65_535), z.string().regex(/^(?:\d{1,5}-\d{1,5}|@.*)$/, { error: portFault })], {
    error: portFault,
  })
  .describe('A port or a range of ports, both ends included; or a set ("@NAME").');
/** In a set, which names no other: that a reference is none is said where sets are read. */
const plainPort = port.describe('A port or a range of ports, both ends included.');
const protocol = z
  .union([z.enum(PROTOCOL_NAMES), z.int().min(0).max(255)], {
    error: `must be one of ${PROTOCOL_NAMES.join(', ')} or an IANA number, 0 to 255`,
  })
  .describe('A protocol by name or IANA number.');

const hostNames =
  'A DNS name (api.github.com); "*.example.com" for all names below example.com, at any depth; "*" for any name';
const plainHostName = text.describe(`${hostNames}.`);
const hostName = text.describe(`${hostNames}; or a set ("@NAME").`);
const keepFault = 'must be a duration such as 1h or 30m, or forever';
const keep = z.string({ error: keepFault }).regex(/^(?:\d{1,6}[dhms])+$|^forever$/, { error: keepFault });

const names = z
  .strictObject({
    resolvers: some(
      text.describe('An address, or auto.'),
      'Whose answers say what a name means. auto, the default: the resolvers of this host, from /etc/resolv.conf and systemd-resolved.',
    ),
    keep: keep
      .exactOptional()
      .describe(
        'For how long after the end of its TTL an address is known by a name, where a destination does not say: at most 7d, or forever. Default: `1h`.',
      ),
    hosts: z.boolean().exactOptional().describe('Whether /etc/hosts names addresses too. Default: `false`.'),
  })
  .describe('How addresses get the names by which rules allow them.');

const socket = z
  .enum(SOCKET_KINDS)
  .describe(SOCKET_KINDS.map((kind) => `${kind}: ${SOCKET_COSTS[kind]}`).join(' '));

const mode = z
  .enum(['monitor', 'block'])
  .default('monitor')
  .describe('monitor: record what would be denied. block: deny it.');
const target = z
  .enum(['host', 'container'])
  .default('host')
  .describe(
    'host: judge every process. container: judge only processes in containers, let all others connect.',
  );
const onExit = z
  .enum(['release', 'keep'])
  .exactOptional()
  .describe(
    'What becomes of a policy in block mode when bouheki ends, whether asked to or not. release: nothing is blocked any more. keep: the kernel goes on by itself, until the next start takes over or `bouheki detach` ends it. Default: `release`.',
  );

/** At least one entry: an empty list could mean "nothing" or "anything", and readers would guess wrong. */
function some<T extends z.ZodType>(entry: T, description: string) {
  return z.array(entry).min(1).exactOptional().describe(description);
}

const set = z
  .strictObject({
    cidr: some(plainCidr, 'A set of destination addresses, for cidr and except.'),
    port: some(plainPort, 'A set of ports, for port.'),
    name: some(plainHostName, 'A set of DNS names, for name.'),
  } satisfies Record<SetKind, z.ZodType>)
  .describe('A list, under the key of the lists that name it. It names no other set.');

const sets = z
  .record(label, set)
  .describe(
    'Lists by name, which lists in rules take in: a rule with cidr: ["@s3", 10.0.0.1] allows what sets.s3.cidr has, and 10.0.0.1.',
  );

const from = z
  .strictObject({
    command: some(
      text.describe('A command name; a last * stands for any rest.'),
      'Names of commands (comm), compared on the first 15 bytes. Any process can rename itself: no security boundary.',
    ),
    exe: some(
      text.describe('An absolute path; * stands for any text but /.'),
      'Absolute paths of executables: files of the host or, beside container or image, files of the containers that these name. Without them it allows no process in a container. A path with * stands for the files of the host that match, through directories that root alone can write.',
    ),
    script: some(
      text.describe('An absolute path; * stands for any text but /.'),
      'Absolute paths of scripts, on the host or in containers as for exe, as their interpreter received them: by a #! line, or as its first argument that is no option. A user who may start the interpreter can have it do something else: no security boundary.',
    ),
    uid: some(
      id.describe('A user id.'),
      'User ids. An allow needs real, effective and file system id in it, a deny one of them.',
    ),
    user: some(
      text.describe('A name.'),
      'Names of users of the host, instead of uid: they mean the ids that the host gives them, and follow when those change. A name that no user has allows nobody.',
    ),
    gid: some(
      id.describe('A group id.'),
      'Group ids. An allow needs real, effective and file system id in it, a deny one of them or a supplementary group.',
    ),
    group: some(text.describe('A name.'), 'Names of groups of the host, instead of gid.'),
    container: some(text.describe('A name; * stands for any text.'), 'Names of containers.'),
    image: some(
      text.describe('An image; * stands for any text.'),
      'Images that containers were started from.',
    ),
    unit: some(text.describe('A unit; * stands for any text.'), 'Names of systemd units.'),
    cgroup: some(
      text.describe('A path from the root of the hierarchy, / first; * stands for any text.'),
      'Paths in the cgroup v2 hierarchy.',
    ),
    host: some(
      text.describe('A name or id of a host, or a label such as role=web.'),
      'Hosts of a fleet, by name, id or label. On other hosts, and where bouheki has not joined a fleet, an allow with it grants nothing; a deny is left out on other hosts alone.',
    ),
  } satisfies Record<keyof From, z.ZodType>)
  .describe(
    'Who: every named key must match; inside a list any entry may. A key that is absent matches everything.',
  );

const to = z
  .strictObject({
    name: some(
      hostName,
      'DNS names: the address must be one that was looked up by such a name, and that is in cidr. Without cidr it must be public. Only in allow rules.',
    ),
    keep: keep
      .exactOptional()
      .describe(
        'Beside name: for how long after the end of its TTL an address is known by a name, at most 7d, or forever. Absent: names.keep.',
      ),
    cidr: some(cidr, 'Destination addresses.'),
    except: some(cidr, 'Addresses carved out of cidr.'),
    port: some(port, 'Destination ports. Protocols without ports never match.'),
    protocol: some(protocol, 'Protocols.'),
  } satisfies Record<ToKey, z.ZodType>)
  .describe(
    'Where: every named key must match; inside a list any entry may. A key that is absent matches everything.',
  );

const rule = z
  .strictObject({
    name: text.optional().describe('A name for logs and reports.'),
    until: text
      .exactOptional()
      .describe(
        'When the rule ends by itself: a time with its zone (2026-12-31T18:00:00Z), or a date, whose end in UTC is meant. Only in allow rules. Absent: never.',
      ),
    from: from.optional(),
    to: z
      .array(to)
      .min(1)
      .optional()
      .describe(
        'Destinations, any of which may match. Absent: every destination, or with sockets: no destination.',
      ),
    sockets: some(
      socket,
      'Sockets that may be opened (in a deny rule: may not), beside the destinations of to. They name no destination when they are opened, so no address can be judged then. Absent: none.',
    ),
  })
  .describe('Connections of these subjects to these destinations, and sockets that they open.');

const modeEntry = z
  .strictObject({
    name: text.optional().describe('A name for logs and reports.'),
    from: from.describe(
      'Who. In block: ids and unknown values match as in a deny rule, in monitor as in an allow rule.',
    ),
    mode: z.enum(['monitor', 'block']).describe('What becomes of what the rules deny these subjects.'),
  })
  .describe('A mode for some subjects, instead of network.mode.');

const log = z
  .strictObject({
    format: z
      .enum(['json', 'text', 'ecs', 'ocsf'])
      .default('json')
      .describe(
        'Format of the log: own fields as JSON or text, or those of the Elastic Common Schema or the Open Cybersecurity Schema Framework. In a terminal json is a line for people.',
      ),
    level: z
      .enum(['debug', 'info', 'warn', 'error'])
      .default('info')
      .describe('The least severe level that is logged.'),
    output: text.optional().describe('Path of a file. Absent or "stdout": standard output.'),
    labels: z.record(label, z.string().max(LIMITS.text)).default({}).describe('Fields added to every line.'),
  })
  .describe('The log of verdicts.');

const idLists = (what: string) => ({
  allow: some(id, `Only these ${what} may connect. Absent: all.`),
  deny: z.array(id).optional().describe(`These ${what} may not connect, whatever else is allowed.`),
});

/** Version 2: rules, or the flat keys that stand for one allow rule and one deny rule per deny list. */
export const version2 = z
  .strictObject({
    version: z.literal(2).describe('Version of the policy language.'),
    names: names.exactOptional(),
    sets: sets.exactOptional(),
    network: z
      .strictObject({
        mode,
        modes: some(
          modeEntry,
          'Modes for some subjects: the first entry whose subject matches decides, else network.mode. What is allowed is the same in every mode.',
        ),
        target,
        on_exit: onExit,
        deny: z
          .array(rule)
          .optional()
          .describe('Rules whose connections are denied, whatever else is allowed.'),
        allow: z
          .array(rule)
          .optional()
          .describe('Rules whose connections are allowed. Everything else is denied. [] denies everything.'),
        cidr: z
          .strictObject({
            allow: z
              .array(cidr)
              .optional()
              .describe('Only these addresses are allowed. Absent: all. []: none.'),
            deny: z.array(cidr).optional().describe('These addresses are denied, whatever else is allowed.'),
          })
          .optional()
          .describe('Flat layout: destinations.'),
        command: z
          .strictObject({
            allow: some(text, 'Only these commands may connect. Absent: all.'),
            deny: z
              .array(text)
              .optional()
              .describe('These commands may not connect, whatever else is allowed.'),
          })
          .optional()
          .describe('Flat layout: commands. Any process can rename itself: no security boundary.'),
        uid: z.strictObject(idLists('user ids')).optional().describe('Flat layout: user ids.'),
        gid: z.strictObject(idLists('group ids')).optional().describe('Flat layout: group ids.'),
        sockets: some(
          socket,
          'Flat layout: sockets that every process may open, whatever the other lists say. Absent: none.',
        ),
      })
      .describe('What may connect where.'),
    log: log.optional(),
  })
  .describe(
    'A bouheki policy, version 2: a connection is allowed when some allow rule and no deny rule matches.',
  );

/** `key:` without a value was an empty list in the program that read version 1. */
const legacyList = <T extends z.ZodType>(entry: T, description: string) =>
  z.array(entry).nullable().optional().describe(description);

const legacyLists = <T extends z.ZodType>(entry: T, what: string) =>
  z
    .strictObject({
      allow: legacyList(entry, `Only these ${what} may connect. Absent or empty: all.`),
      deny: legacyList(entry, `These ${what} may not connect.`),
    })
    .optional()
    .describe(`Restriction by ${what}.`);

const cidrAllow = z
  .array(plainCidr)
  .optional()
  .describe('Only these addresses are allowed. Absent: all. []: none.');
const cidrDeny = legacyList(
  plainCidr,
  'These addresses are denied, but not to a command, uid or gid that is named in its allow list.',
);

/** Version 1: the files that users of bouheki already have. */
export const version1 = z
  .strictObject({
    version: z.literal(1).optional().describe('Version of the policy language; absent in version 1.'),
    network: z
      .strictObject({
        mode,
        target,
        cidr: z
          .strictObject({ allow: cidrAllow, deny: cidrDeny })
          .optional()
          .describe('Restriction by destination.'),
        allow: cidrAllow.describe('The older spelling of cidr.allow.'),
        deny: cidrDeny.describe('The older spelling of cidr.deny.'),
        command: legacyLists(text, 'commands'),
        uid: legacyLists(id, 'user ids'),
        gid: legacyLists(id, 'group ids'),
      })
      .describe('What may connect where. Raw, packet and other unusual sockets are not restricted.'),
    log: z
      .strictObject({
        ...log.shape,
        level: z
          .string()
          .regex(/^(trace|debug|info|warn|warning|error|fatal|panic)$/i, {
            error: 'must be one of debug, info, warn, error',
          })
          .default('info')
          .describe('The least severe level that is logged: debug, info, warn or error, in any case.'),
        labels: z
          .record(
            label,
            z.union([z.string().max(LIMITS.text), z.number(), z.boolean()], { error: 'must be text' }),
          )
          .default({})
          .describe('Fields added to every line.'),
      })
      .optional()
      .describe('The log of verdicts.'),
  })
  .describe('A bouheki policy, version 1.');

export type Version1 = z.infer<typeof version1>;
export type Version2 = z.infer<typeof version2>;
/** A rule as it stands in a version 2 file. */
export type RuleText = z.infer<typeof rule>;
/** An entry of `modes` as it stands in a version 2 file. */
export type ModeEntryText = z.infer<typeof modeEntry>;
/** `from` as it stands in a version 2 file. */
export type FromText = z.infer<typeof from>;
/** An entry of `to` as it stands in a version 2 file. */
export type ToText = z.infer<typeof to>;
/** `names` as it stands in a version 2 file. */
export type NamesText = z.infer<typeof names>;
/** `sets` as it stands in a version 2 file. */
export type SetsText = z.infer<typeof sets>;
/** One of them. */
export type SetText = z.infer<typeof set>;
/** `log` as it stands in a version 2 file. */
export type LogText = z.infer<typeof log>;
