import { BouhekiError } from '../../../error/error.ts';
import type { Engine } from '../../../fleet/engine/engine.ts';
import { openEngine } from '../../../fleet/engine/open.ts';
import { urlOf } from '../../../fleet/engine/server/local-server.ts';

/** Where the state of the fleet is. */
export interface StoreOptions {
  store: string[];
  /** Directory of the server that is started here. */
  demo?: string;
}

/** Addresses of the engine. Throws BouhekiError `usage` unless exactly one kind is named. */
export function storeUrls({ demo, store }: StoreOptions): string[] {
  if (demo !== undefined && store.length === 0) return [urlOf(demo)];
  if (demo === undefined && store.length > 0) return store;
  throw new BouhekiError('usage', 'the engine is named by either --store or --demo', {
    remedy: 'name a PostgreSQL with --store, or have the installed one started with --demo',
  });
}

/** Does some work with the engine. */
export async function withEngine<Result>(
  options: StoreOptions,
  work: (engine: Engine) => Promise<Result>,
): Promise<Result> {
  const engine = await openEngine(storeUrls(options));
  try {
    return await work(engine);
  } finally {
    await engine.close();
  }
}
