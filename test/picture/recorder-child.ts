import { Verdict } from '../../profiler/event/batch.ts';
import { batchOf, type Event, HOUR, openRecording, processRow } from '../unit/profiler/fixture.ts';
import { recordUntilStopped } from '../unit/profiler/record-until-stopped.ts';

// A recorder of a made-up host for pictures: two days of its past, then some connections a second until a signal.

interface Habit {
  exe: string;
  uid: number;
  user: string;
  /** Where it goes, and how often in a day. */
  to: readonly {
    names?: string[];
    low: bigint;
    port: number;
    protocol?: number;
    daily: number;
    verdict?: number;
  }[];
}

const HABITS: readonly Habit[] = [
  {
    exe: '/usr/sbin/nginx',
    uid: 33,
    user: 'www-data',
    to: [
      { low: 0x0a00030an, port: 8080, daily: 420 },
      { low: 0x0a00030bn, port: 8080, daily: 380 },
    ],
  },
  {
    exe: '/usr/lib/postgresql/15/bin/postgres',
    uid: 106,
    user: 'postgres',
    to: [{ low: 0x0a000314n, port: 5432, daily: 96 }],
  },
  {
    exe: '/usr/bin/php8.2',
    uid: 33,
    user: 'www-data',
    to: [
      { names: ['api.payments.example'], low: 0xcb007107n, port: 443, daily: 240 },
      { names: ['smtp.example.com'], low: 0xc633640an, port: 587, daily: 36 },
      { low: 0x0a000314n, port: 5432, daily: 300 },
    ],
  },
  {
    exe: '/usr/lib/apt/methods/http',
    uid: 42,
    user: '_apt',
    to: [{ names: ['packages.example'], low: 0xc6336450n, port: 80, daily: 12 }],
  },
  {
    exe: '/usr/sbin/chronyd',
    uid: 107,
    user: '_chrony',
    to: [{ names: ['time.example'], low: 0xc0000220n, port: 123, protocol: 17, daily: 72 }],
  },
  {
    exe: '/tmp/.cache/agent',
    uid: 1000,
    user: 'ada',
    to: [
      { low: 0xc6336463n, port: 4444, daily: 3, verdict: Verdict.noted },
      { low: 0xc6336464n, port: 443, daily: 2 },
    ],
  },
];

const opened = await openRecording(process.argv[2]!);
const { recording } = opened;
for (const [at, { exe, uid, user }] of HABITS.entries()) {
  const command = exe.split('/').at(-1)!.slice(0, 15);
  recording.process(
    processRow({
      key: BigInt(at + 1),
      exe,
      pid: 900 + at,
      command,
      arguments: exe,
      parentCommand: 'systemd',
      ancestors: [],
    }),
  );
  recording.command(command);
  recording.account('user', uid, user);
}

function eventOf(habit: number, place: number, time: number): Event {
  const { to, uid } = HABITS[habit]!;
  const { daily: _, ...rest } = to[place]!;
  return {
    ...rest,
    process: habit + 1,
    command: habit + 1,
    uid,
    gid: uid,
    time,
    ...(rest.names && { known: 1 }),
  };
}

const end = Date.now() * 1000;
const past = HABITS.flatMap(({ to }, habit) =>
  to.flatMap(({ daily }, place) =>
    Array.from({ length: daily * 2 }, (_, at) => {
      // More by day than by night.
      const share = (at + 0.5) / (daily * 2);
      return eventOf(
        habit,
        place,
        Math.round(end - 48 * HOUR * (1 - share) + HOUR * 3 * Math.sin(share * 4 * Math.PI)),
      );
    }),
  ),
).toSorted((a, b) => a.time! - b.time!);
for (let at = 0; at < past.length; at += 500) recording.append(batchOf(past.slice(at, at + 500), recording));
recording.flush();

let made = 0;
recordUntilStopped(opened, { append: 130, commit: 500 }, () => {
  const habit = made % HABITS.length;
  const place = Math.floor(made / HABITS.length) % HABITS[habit]!.to.length;
  made += 1;
  return batchOf([eventOf(habit, place, Date.now() * 1000)], recording);
});
