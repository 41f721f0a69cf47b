import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ContainersStorage } from './containers-storage.ts';
import type { ContainerFacts, Runtime } from './runtime.ts';

/** CRI-O, through its storage, and the specification of a running container for what Kubernetes calls it. */
export class CriO implements Runtime {
  readonly name = 'cri-o';
  readonly #storage: ContainersStorage;
  readonly #state: string;

  constructor(root?: string, state = '/run/containers/storage/overlay-containers') {
    this.#storage = new ContainersStorage(root);
    this.#state = state;
  }

  /** Named as containerd's are: the name in the storage holds the uid of the pod, which is another each time. */
  find(id: string): ContainerFacts | undefined {
    const stored = this.#storage.find(id);
    const { [POD]: pod, [NAMESPACE]: namespace, [NAME]: name = 'sandbox' } = this.#annotations(id);
    if (pod === undefined || namespace === undefined) return stored;
    return { ...(stored ?? { image: '', imageId: '' }), name: `${namespace}/${name}`, pod, namespace };
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

const NAME = 'io.kubernetes.container.name';
const POD = 'io.kubernetes.pod.name';
const NAMESPACE = 'io.kubernetes.pod.namespace';
