import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { BouhekiError } from '../../error/error.ts';
import { renderFailure, TROUBLE } from '../../error/failure.ts';
import { visible } from '../../error/visible.ts';
import { surviveLostTerminal } from '../../output/lost-terminal.ts';
import type { PageOptions } from '../page/read-page.ts';
import { Door } from './door.ts';
import type { DoorPlace, Servant } from './door-message.ts';
import { House } from './house.ts';
import { LinkServer } from './link-server.ts';
import { LiveFeed } from './live-feed.ts';
import { ReviewHouse } from './review-house.ts';
import { servantFor } from './rights.ts';

/** What `ui` was asked for, as commander hands it over. */
export interface UiOptions extends PageOptions {
  socket?: string;
  port: number;
  edit: boolean;
}

/** The other end of a tunnel, in what is printed about it. */
const TUNNEL_PORT = 8080;

/** Serves the page of `report`, live, until a signal ends it. */
export async function ui(file: string | undefined, options: UiOptions): Promise<void> {
  assertUsage(file, options);
  surviveLostTerminal();
  const review = options.edit ? await ReviewHouse.open(file!, options.db) : undefined;
  const house = await House.open(file, options, review);
  const place: DoorPlace =
    options.socket === undefined ? { port: options.port } : { socket: resolve(options.socket) };
  const servant = servantFor(process.env);
  const door = await Door.open(place, servant, (wish) => house.answer(wish));
  const signalled = new Promise<'signal'>((settle) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.once(signal, () => settle('signal'));
  });
  const links = await LinkServer.listen(options.db, () => door.anotherLink(TUNNEL_PORT));
  process.stderr.write(begunText(place, servant, { edit: options.edit, pid: door.pid }) + links.said);
  process.stdout.write(`${door.link(TUNNEL_PORT)}\n`);
  const feed = new LiveFeed(options.db, (event) => door.show(event));
  const fed = feed.run();
  let how;
  try {
    how = await Promise.race([signalled, door.gone, fed]);
  } finally {
    feed.close();
    links.close();
    await door.end();
  }
  if (how === 'signal') return;
  const error = new BouhekiError('usage', 'the process that answers browsers is gone', {
    remedy: 'It was killed, or ran out of memory. Start again.',
  });
  process.stderr.write(renderFailure(error));
  process.exitCode = TROUBLE;
}

function assertUsage(file: string | undefined, { edit }: UiOptions): void {
  if (file === '-') {
    throw new BouhekiError('usage', 'a policy on standard input can be read only once', {
      remedy: 'Name its file.',
    });
  }
  if (edit && file === undefined) {
    throw new BouhekiError('usage', '--edit needs the policy that is to be decided on', {
      remedy: 'Name its file: bouheki ui POLICY --edit',
    });
  }
}

/** What is said at the start, for people. */
function begunText(
  place: DoorPlace,
  servant: Servant | undefined,
  { edit, pid }: { edit: boolean; pid: number },
): string {
  const lines = [
    servant === undefined
      ? `Process ${pid} answers browsers.`
      : `Process ${pid} answers browsers, as ${visible(servant.name)} (uid ${servant.uid}) and with no right of root; this one reads the record${edit ? ' and writes the policy' : ''}.`,
  ];
  if ('socket' in place) {
    lines.push(
      `Listening at ${visible(place.socket)}. From another computer: ssh -L ${TUNNEL_PORT}:${visible(place.socket)} ${hostname()}`,
    );
  }
  lines.push(
    `Open this link, which works once. ${edit ? 'Decisions can be made there.' : 'Nothing can be changed there.'} Ctrl-C ends it.`,
  );
  return lines.map((line) => `${line}\n`).join('');
}
