/** The thread that has the database open, and nothing else to do: see StoreThread, which starts it. */
import { parentPort, workerData } from 'node:worker_threads';
import { BatchQueue } from './batch-queue.ts';
import type { LiveStatus } from './live-status.ts';
import type { RecordingWriter } from './recording-writer.ts';
import type { RetentionKeeper } from './retention-keeper.ts';
import { openRecorder, type RecorderStore } from './store.ts';
import {
  pack,
  type FromStore,
  type NameOrder,
  type Order,
  type StoreMethods,
  type ToStore,
} from './store-message.ts';

const port = parentPort!;
const queue = new BatchQueue(workerData as SharedArrayBuffer);
const asked = new Map<number, (status: LiveStatus) => void>();
let asks = 0;
let store: RecorderStore;
let keeper: RetentionKeeper | undefined;
let writer: RecordingWriter | undefined;

const methods: StoreMethods = {
  async open(path) {
    store = await openRecorder(path, askStatus);
    store.noticed = (text) => post({ noticed: text });
    return { past: store.past, unserved: store.unserved };
  },
  learningWindow: (plan) => store.learningWindow(plan),
  async startWriting(info) {
    const { writer: opened, ...identity } = await store.startWriting(info);
    writer = opened;
    return identity;
  },
  async keepWithin(limits) {
    keeper = await store.retention(limits);
    keeper.start(
      (folded) => post({ folded }),
      (error) => post({ unfolded: pack(error) }),
    );
  },
  end: (end) => writer!.end(end),
  async close() {
    await keeper?.close();
    await store.stopServing();
    store.close();
  },
};

port.on('message', (message: ToStore) => {
  if ('orders' in message) carryOut(message.orders);
  else if ('abandon' in message) writer?.abandon();
  else if ('call' in message) void call(message);
  else {
    asked.get(message.asked)?.(message.status);
    asked.delete(message.asked);
  }
});

function post(message: FromStore): void {
  port.postMessage(message);
}

async function call({ call: called, method, argument }: Extract<ToStore, { call: number }>): Promise<void> {
  try {
    const value = await (methods[method] as (given: unknown) => Promise<unknown>)(argument);
    post({ called, value });
  } catch (error) {
    post({ called, thrown: pack(error) });
  }
  // Nothing is left that would keep this thread running.
  if (method === 'close' || store === undefined) port.close();
}

/** The counters and the rings are the other thread's. */
async function askStatus(): Promise<LiveStatus> {
  return await new Promise((resolve) => {
    asks += 1;
    asked.set(asks, resolve);
    post({ ask: asks });
  });
}

/** After a failure batches are taken all the same: the other thread learns of it a moment later. */
function carryOut(orders: readonly Order[]): void {
  for (const order of orders) {
    const failed = writer!.failure !== undefined;
    if (isName(order)) queue.nameTaken();
    try {
      if (order === 'append') queue.take((batch) => failed || writer!.append(batch));
      else if (failed) continue;
      else if (order === 'commit') writer!.commit();
      else if (isName(order)) writer!.add(...order);
      else writer!.settle(order.settled);
    } catch (error) {
      post({ failed: pack(error) });
    }
  }
}

function isName(order: Order): order is NameOrder {
  return Array.isArray(order);
}
