import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ContainersStorage } from './containers-storage.ts';
import { askCri } from './cri.ts';
import { nameInLabels } from './kubernetes.ts';
import { askOffered } from './offered.ts';
import type { ContainerFacts, Runtime } from './runtime.ts';

/**
 * CRI-O, through its storage, the specification of a running container for what Kubernetes calls it, and its
 * socket.
 */
export class CriO implements Runtime {
  readonly name = 'cri-o';
  readonly #storage: ContainersStorage;
  readonly #state: string;
  readonly #socket: string;

  constructor(
    root?: string,
    state = '/run/containers/storage/overlay-containers',
    socket = '/run/crio/crio.sock',
  ) {
    this.#storage = new ContainersStorage(root);
    this.#state = state;
    this.#socket = socket;
  }

  /**
   * Named as Kubernetes does: the name in the storage holds the uid of the pod, which is another each time.
   */
  find(id: string): ContainerFacts | undefined {
    const stored = this.#storage.find(id);
    const named = nameInLabels(this.#annotations(id));
    return named ? { ...(stored ?? { image: '', imageId: '' }), ...named } : stored;
  }

  ask(id: string, signal: AbortSignal): Promise<ContainerFacts | undefined> {
    return askOffered([this.#socket], signal, (call) => askCri(call, id));
  }

  #annotations(id: string): Record<string, string | undefined> {
    try {
      const text = readFileSync(join(this.#state, id, 'userdata/config.json'), 'utf8');
      return (JSON.parse(text) as { annotations?: Record<string, string> }).annotations ?? {};
    } catch {
      return {};
    }
  }
}
