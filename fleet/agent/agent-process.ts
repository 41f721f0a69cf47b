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
/** Between two words about how things stand, milliseconds. */
const TELL = 5000;
const options = JSON.parse(process.argv[2] ?? '{}') as AgentOptions;
const agent = new Agent(options, say, stop.signal);
const tell = setInterval(() => {
  if (process.connected) process.send?.({ fleet: agent.status }, undefined, undefined, () => undefined);
}, TELL);
await agent.run();
clearInterval(tell);
