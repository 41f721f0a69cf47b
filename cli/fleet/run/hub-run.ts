import { setTimeout as sleep } from 'node:timers/promises';
import { ServiceNotice } from '../../../daemon/control/service-notice.ts';
import { withMessages } from '../../../daemon/messages.ts';
import { MetricsServer, parseEndpoint } from '../../../daemon/metrics-server.ts';
import { awaitStopSignal } from '../../../daemon/stop-signal.ts';
import { BouhekiError } from '../../../error/error.ts';
import type { Engine } from '../../../fleet/engine/engine.ts';
import { openEngine } from '../../../fleet/engine/open.ts';
import { startLocalServer } from '../../../fleet/engine/server/local-server.ts';
import { Hub } from '../../../fleet/hub/hub.ts';
import { hubMetrics } from '../../../fleet/hub/metrics.ts';
import { packageVersion } from '../../report/version.ts';
import { type StoreOptions, storeUrls } from './store.ts';

/** What `hub run` was asked for. */
export interface RunOptions extends StoreOptions {
  dir: string;
  listen: string;
  enrollListen: string;
  metrics?: string;
  keepWeeks: number;
}

/** Milliseconds between two tries to reach the engine at the start. */
const AGAIN = 5000;
const SECOND = 1000;
const MINUTE = 60_000;

/** Serves until a signal comes. */
export async function runHub(options: RunOptions): Promise<void> {
  const urls = storeUrls(options);
  const endpoint = endpointOf(options.metrics);
  const notice = new ServiceNotice();
  await withMessages(async (messages) => {
    const stop = awaitStopSignal();
    const server = options.demo === undefined ? undefined : await startLocalServer(options.demo);
    try {
      const say = (text: string): void => messages.say(text);
      const engine = await reach(urls, options.keepWeeks, say, stop.came);
      if (engine !== undefined) await serve(engine, options, endpoint, { say, stopped: stop.came, notice });
    } finally {
      await server?.stop();
      stop.forget();
    }
  });
}

function endpointOf(text: string | undefined) {
  if (text === undefined) return undefined;
  const endpoint = parseEndpoint(text);
  if (endpoint !== undefined) return endpoint;
  throw new BouhekiError('usage', `metrics are offered to this host alone, not at ${text}`, {
    remedy: 'name an address of the loopback interface with --metrics: 127.0.0.1:9465',
  });
}

/** A hub that starts with the rest of a data centre waits for its engine. Undefined: it was stopped first. */
async function reach(
  urls: readonly string[],
  keepWeeks: number,
  say: (text: string) => void,
  stopped: Promise<unknown>,
): Promise<Engine | undefined> {
  let told = false;
  const stop = new AbortController();
  void stopped.then(() => stop.abort());
  while (!stop.signal.aborted) {
    try {
      return await openEngine(urls, { weeks: keepWeeks });
    } catch (error) {
      if (!(error instanceof BouhekiError) || error.code !== 'fleet-away') throw error;
      if (!told) say(`Waiting for the engine: ${error.message}\n`);
      told = true;
      await Promise.race([sleep(AGAIN), stopped]);
    }
  }
  return undefined;
}

async function serve(
  engine: Engine,
  options: RunOptions,
  endpoint: ReturnType<typeof endpointOf>,
  { notice, say, stopped }: { notice: ServiceNotice; say: (text: string) => void; stopped: Promise<unknown> },
): Promise<void> {
  try {
    const hub = await Hub.start(engine, {
      directory: options.dir,
      listen: options.listen,
      enrollListen: options.enrollListen,
      version: packageVersion(),
      keepWeeks: options.keepWeeks,
      sightingEvery: 30_000,
      engineEvery: 5000,
      filesEvery: 5000,
      connectionAge: 30 * MINUTE,
      goodbyeSpread: 60,
      now: Date.now,
      say,
    });
    const metrics = endpoint && (await MetricsServer.offer(endpoint, () => hubMetrics(hub.status)));
    say(`The hub listens at ${options.listen}, and for hosts that join at ${options.enrollListen}.\n`);
    notice.ready(stateOf(hub));
    const timer = setInterval(() => notice.tick(stateOf(hub)), SECOND);
    await stopped;
    clearInterval(timer);
    notice.stopping();
    metrics?.close();
    await hub.stop();
  } finally {
    await engine.close();
  }
}

/** What the service manager shows. */
function stateOf({ status: { engineReachable, streams } }: Hub): string {
  const agents = `${streams} ${streams === 1 ? 'agent' : 'agents'}`;
  return engineReachable ? `Serving ${agents}` : `Serving ${agents}; the engine is away`;
}
