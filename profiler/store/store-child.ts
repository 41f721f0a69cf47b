/** The process that has the database open, and nothing else to do: see StoreProcess, which starts it. */
import { writeFileSync } from 'node:fs';
import { EventBatch } from '../event/batch.ts';
import type { LiveStatus } from '../serve/live-status.ts';
import type { RecordingWriter } from './recording-writer.ts';
import type { RetentionKeeper } from './retention-keeper.ts';
import { openRecorder, type RecordStore } from './store.ts';
import {
  pack,
  type FromStore,
  type NameOrder,
  type Order,
  type StoreMethods,
  type ToStore,
} from './store-message.ts';
import type { Taken } from './store-writer.ts';

const batch = new EventBatch();
const asked = new Map<number, (status: LiveStatus) => void>();
let asks = 0;
let store: RecordStore | undefined;
let keeper: RetentionKeeper | undefined;
let writer: RecordingWriter | undefined;
let closed = false;

// DuckDB makes its log file anew after every checkpoint, with whatever the umask allows.
process.umask(0o077);
// Signals to the whole group, of a terminal or a service, are for the process that records: it ends this one
// in order.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
yieldMemory();

const methods: StoreMethods = {
  async open({ path, pid }) {
    store = await openRecorder(path, { status: askStatus, pid });
    store.noticed = (text) => post({ noticed: text });
    return { past: store.past, unserved: store.unserved };
  },
  learningWindow: (plan) => store!.learningWindow(plan),
  recentAnswers: () => store!.recentAnswers(),
  async startWriting(info) {
    const { writer: opened, ...identity } = await store!.startWriting(info);
    writer = opened;
    return identity;
  },
  async keepWithin(limits) {
    keeper = await store!.retention(limits);
    keeper.start(
      (folded) => post({ folded }),
      (error) => post({ unfolded: pack(error) }),
    );
  },
  end: (end) => writer!.end(end),
  async close() {
    await keeper?.close();
    await store!.stopServing();
    store!.close();
  },
};

process.on('message', (message: ToStore) => {
  if ('orders' in message) carryOut(message.orders);
  else if ('abandon' in message) writer?.abandon();
  else if ('call' in message) void call(message);
  else {
    asked.get(message.asked)?.(message.status);
    asked.delete(message.asked);
  }
});
process.on('disconnect', end);

function post(message: FromStore, sent: () => void = () => undefined): void {
  process.send!(message, undefined, undefined, sent);
}

async function call({ call: called, method, argument }: Extract<ToStore, { call: number }>): Promise<void> {
  // Nothing is left to be done after a close, or where the database was not opened.
  const sent = (): void => {
    closed ||= method === 'close' || store === undefined;
    if (closed) process.disconnect();
  };
  try {
    const value = await (methods[method] as (given: unknown) => Promise<unknown>)(argument);
    post({ called, value }, sent);
  } catch (error) {
    post({ called, thrown: pack(error) }, sent);
  }
}

/** The counters and the rings are the other process's. */
async function askStatus(): Promise<LiveStatus> {
  return await new Promise((resolve) => {
    asks += 1;
    asked.set(asks, resolve);
    post({ ask: asks });
  });
}

/** After a failure orders are taken all the same: the other process learns of it a moment later. */
function carryOut(orders: readonly Order[]): void {
  const taken: Taken = { batches: 0, names: 0, orders: orders.length };
  for (const order of orders) {
    if (isName(order)) taken.names += 1;
    else if (typeof order === 'object' && 'rows' in order) taken.batches += 1;
    if (writer!.failure !== undefined) continue;
    try {
      carryOutOne(order);
    } catch (error) {
      post({ failed: pack(error) });
    }
  }
  post({ taken });
}

function carryOutOne(order: Order): void {
  if (order === 'commit') writer!.commit();
  else if (isName(order)) writer!.add(...order);
  else if ('settled' in order) writer!.settle(order.settled);
  else if ('retired' in order) writer!.retireNames(order.retired);
  else {
    // The bytes of a message lie where they come to lie, columns at multiples of eight.
    batch.bytes.set(order.bytes);
    batch.length = order.rows;
    batch.events = order.events;
    writer!.append(batch, order.bytes);
  }
}

function isName(order: Order): order is NameOrder {
  return Array.isArray(order);
}

/**
 * The process that records has closed the database, or is gone without a word: then what it has sent is kept,
 * and its recording counts as interrupted. Nothing that still runs is waited for.
 */
function end(): void {
  try {
    if (closed) return;
    writer?.commit();
    store?.close();
  } finally {
    process.kill(process.pid, 'SIGKILL');
  }
}

/** Where memory runs out the record is to be lost before enforcement is. */
function yieldMemory(): void {
  try {
    writeFileSync('/proc/self/oom_score_adj', '500');
  } catch {
    // Without /proc the kernel decides as it likes.
  }
}
