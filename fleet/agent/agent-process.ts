/** The process of the agent: what a hub sends is understood here, apart from what records and judges. See AgentChild. */
import { setPriority } from 'node:os';
import { Agent, type AgentOptions } from './agent.ts';

/** Below that of what records. */
const PRIORITY = 10;

const stop = new AbortController();
// Signals to the whole group, of a terminal or a service, are for the process that records: it ends this one in order.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
process.on('disconnect', () => stop.abort());
try {
  setPriority(PRIORITY);
} catch {
  // It is a courtesy.
}
const say = (text: string): void => {
  if (process.connected) process.send?.({ say: text }, undefined, undefined, () => undefined);
};
const options = JSON.parse(process.argv[2] ?? '{}') as AgentOptions;
await new Agent(options, say, stop.signal).run();
