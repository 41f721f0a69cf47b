import type { Followed } from '../../../../profiler/follow/follow.ts';

/** An allowed connection of curl to 10.0.0.1:443/tcp, but for the changes. */
export function followed(
  change: Partial<Omit<Followed, 'subject' | 'destination'>> & {
    subject?: Partial<Followed['subject']>;
    destination?: Partial<Followed['destination']>;
  } = {},
): Followed {
  const { destination, subject, ...rest } = change;
  return {
    time: Date.parse('2026-11-21T12:00:00Z') * 1000,
    subject: {
      command: 'curl',
      exe: '/usr/bin/curl',
      uid: 1000,
      gid: 1000,
      inContainer: false,
      ...subject,
    },
    pid: 4711,
    user: 'ada',
    destination: { family: 4, address: 0x0a000001n, port: 443, protocol: 6, ...destination },
    names: [],
    known: undefined,
    operation: 'connect',
    verdict: 'allow',
    rule: undefined,
    count: 1,
    isNew: false,
    ...rest,
  };
}
