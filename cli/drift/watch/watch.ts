import { setTimeout as sleep } from 'node:timers/promises';
import { awaitStopSignal } from '../../../daemon/stop-signal.ts';
import { type Messages, withMessages } from '../../../daemon/messages.ts';
import { BouhekiError } from '../../../error/error.ts';
import { renderFailure } from '../../../error/failure.ts';
import { openStandard } from '../../../output/descriptor.ts';
import { Outlet } from '../../../output/outlet.ts';
import { jsonLine } from '../../terminal/json-document.ts';
import { packageVersion } from '../../report/version.ts';
import { assess, type DriftOptions, rememberAll } from '../assess.ts';
import type { Reported } from '../format/identify.ts';
import { plainFinding } from '../format/json.ts';
import { type Delivery, DeliveryQueue } from './delivery.ts';
import { findingLine } from './notice.ts';
import { programDelivery } from './program.ts';
import { readWebhook, webhookDelivery } from './webhook.ts';

/** What `drift --watch` was asked for, as commander hands it over. */
export interface WatchOptions extends DriftOptions {
  watch: boolean;
  /** Seconds between two rounds. */
  every: number;
  exec?: string;
  webhook?: string;
  /** Seconds that the program or the webhook may take. */
  timeout: number;
}

/** Bytes of lines that are kept while they are not read. */
const KEPT = 1 << 20;
const LAST_MOMENT = 2000;
const STANDARD_OUTPUT = 1;

/** Failures that no later round mends by itself. */
const OURS: ReadonlySet<string> = new Set(['policy', 'usage', 'untrusted']);

/** Reports new findings as they come, until a signal ends it. */
export async function watchDrift(
  file: string,
  options: WatchOptions,
  args: readonly string[],
): Promise<void> {
  const deliveries = deliveriesOf(options, args);
  await withMessages(async (messages) => {
    const abort = new AbortController();
    const signal = awaitStopSignal();
    void signal.came.then(() => abort.abort());
    const output = new Outlet(openStandard(STANDARD_OUTPUT), KEPT, {
      missing: (count) => `${count} findings are missing here: they could not be written in time.\n`,
      // Without a reader and without anybody to tell there is nothing to do.
      failed: () => (deliveries.length === 0 ? abort.abort() : undefined),
    });
    const watch = new Watch(file, options, { deliveries, messages, output, signal: abort.signal });
    try {
      await watch.run();
    } finally {
      signal.forget();
      await output.settle(LAST_MOMENT);
    }
  });
}

function deliveriesOf({ exec, webhook }: WatchOptions, args: readonly string[]): Delivery[] {
  return [
    ...(exec === undefined ? [] : [programDelivery(exec, args)]),
    ...(webhook === undefined ? [] : [webhookDelivery(readWebhook(webhook), `bouheki/${packageVersion()}`)]),
  ];
}

interface WatchParts {
  deliveries: readonly Delivery[];
  messages: Messages;
  output: Outlet;
  signal: AbortSignal;
}

/** Rounds of one policy over one record. */
class Watch {
  readonly #file: string;
  readonly #options: WatchOptions;
  readonly #parts: WatchParts;
  readonly #queues: readonly DeliveryQueue[];
  /** Ids of findings that were printed. */
  readonly #told = new Set<string>();
  /** What was said last that is wrong. */
  #trouble = '';

  constructor(file: string, options: WatchOptions, parts: WatchParts) {
    this.#file = file;
    this.#options = options;
    this.#parts = parts;
    this.#queues = parts.deliveries.map((each) => new DeliveryQueue(each, file));
  }

  async run(): Promise<void> {
    const { messages, signal } = this.#parts;
    messages.say(`Watching for drift from ${this.#file}. Ctrl-C ends it.\n`);
    for (let first = true; !signal.aborted; first = false) {
      let trouble: string[] = [];
      try {
        trouble = await this.#round();
      } catch (error) {
        if (first && error instanceof BouhekiError && OURS.has(error.code)) throw error;
        // A recorder may be starting, or a policy half written.
        trouble = [renderFailure(error)];
      }
      if (!signal.aborted) this.#say(trouble.join(''));
      await sleep(this.#options.every * 1000, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Prints and delivers what is new. Gives what went wrong, as lines for people. */
  async #round(): Promise<string[]> {
    const { signal } = this.#parts;
    const assessment = await assess(
      this.#file,
      { ...this.#options, since: this.#options.since ?? 'last' },
      () => undefined,
    );
    const fresh = assessment.selection.findings.filter(({ id }) => !this.#told.has(id));
    for (const finding of fresh) {
      this.#print(finding);
      this.#told.add(finding.id);
    }
    const failing = new Set(this.#options.failOn);
    const patience = { seconds: this.#options.timeout, signal };
    const trouble: string[] = [];
    for (const queue of this.#queues) {
      queue.add(fresh.filter(({ kind }) => failing.has(kind)));
      const failure = await queue.flush(patience);
      if (failure !== undefined) trouble.push(failure);
    }
    // Who was not told is told after another start, too.
    if (this.#queues.every((queue) => queue.length === 0)) rememberAll(this.#file, this.#options, assessment);
    return trouble;
  }

  #print(finding: Reported): void {
    const { format, json } = this.#options;
    const line =
      json || format === 'ndjson'
        ? jsonLine('finding', plainFinding(finding))
        : findingLine(finding, Date.now() * 1000);
    this.#parts.output.write(line);
  }

  /** Says what is wrong, once. */
  #say(trouble: string): void {
    if (trouble === this.#trouble) return;
    this.#trouble = trouble;
    this.#parts.messages.say(trouble === '' ? 'All is well again.\n' : trouble);
  }
}
