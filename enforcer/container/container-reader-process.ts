/**
 * The process that looks at the files of containers, and nothing else: see ContainerFiles, which starts it.
 */
import { type Answer, ContainerReader, type Question } from './container-reader.ts';

/** What it says: that it is there, then an answer or an error to each question, in their order. */
export type Said = 'ready' | { answer: Answer } | { error: string };

const reader = new ContainerReader();

// A signal to the terminal's processes is for the one that started this; with that it ends.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});

process.on('message', (question: Question) => {
  try {
    say({ answer: reader.answer(question) });
  } catch (error) {
    say({ error: (error as Error).message });
  }
});
process.on('disconnect', () => reader.close());

function say(said: Said): void {
  process.send!(said);
}

say('ready');
