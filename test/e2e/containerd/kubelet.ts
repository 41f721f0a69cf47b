/** What a kubelet does with a container runtime: it makes pods, and containers in them. */
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Client, credentials, loadPackageDefinition, type ServiceClientConstructor } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { ROOT } from '../guest.ts';

/** What CRI says of a container. */
export interface Status {
  id: string;
  metadata: { name: string };
  state: number;
  exitCode: number;
  image: { image: string };
  imageRef: string;
  labels: Record<string, string>;
}

/** A pod whose one container has come to its end, as CRI describes both. */
export interface EndedPod {
  sandboxId: string;
  pod: string;
  namespace: string;
  container: Status;
}

export interface PodSpec {
  /** Of the pod, and a part of the name of its cgroup. */
  uid: string;
  pod: string;
  namespace: string;
  name: string;
  image: string;
  command: readonly string[];
  labels: Record<string, string>;
}

const EXITED = 2;
/** No namespace of the network's own: there is nothing here to set one up. */
const OF_THE_HOST = { network: 2 };

export class Kubelet {
  readonly #client: Client;

  constructor(socket: string) {
    const definition = loadSync(join(ROOT, 'test/e2e/containerd/run.proto'), { defaults: true });
    const { runtime } = loadPackageDefinition(definition) as unknown as {
      runtime: { v1: { RuntimeService: ServiceClientConstructor } };
    };
    this.#client = new runtime.v1.RuntimeService(`unix:${socket}`, credentials.createInsecure());
  }

  /** Makes a pod of one container, and waits until that has ended. */
  async run({ uid, pod, namespace, name, image, command, labels }: PodSpec): Promise<EndedPod> {
    const config = {
      metadata: { name: pod, uid, namespace },
      linux: {
        cgroupParent: `/kubepods/besteffort/pod${uid}`,
        securityContext: { namespaceOptions: OF_THE_HOST, privileged: true },
      },
    };
    const { podSandboxId } = await this.#call<{ podSandboxId: string }>('runPodSandbox', { config });
    const { containerId } = await this.#call<{ containerId: string }>('createContainer', {
      podSandboxId,
      config: {
        metadata: { name },
        image: { image },
        command,
        labels,
        linux: { securityContext: { namespaceOptions: OF_THE_HOST, privileged: true } },
      },
      sandboxConfig: config,
    });
    await this.#call('startContainer', { containerId });
    let container: Status;
    do {
      await wait(200);
      container = await this.#status<Status>('containerStatus', { containerId });
    } while (container.state !== EXITED);
    if (container.exitCode !== 0) throw new Error(`${name} ended with ${container.exitCode}`);
    const { metadata } = await this.#status<{ metadata: { name: string; namespace: string } }>(
      'podSandboxStatus',
      { podSandboxId },
    );
    return { sandboxId: podSandboxId, pod: metadata.name, namespace: metadata.namespace, container };
  }

  /** Removes a pod with all that is in it. */
  async remove(podSandboxId: string): Promise<void> {
    await this.#call('stopPodSandbox', { podSandboxId });
    await this.#call('removePodSandbox', { podSandboxId });
  }

  close(): void {
    this.#client.close();
  }

  async #status<Found>(method: string, request: object): Promise<Found> {
    return (await this.#call<{ status: Found }>(method, request)).status;
  }

  #call<Answer>(method: string, request: object): Promise<Answer> {
    return new Promise((resolve, reject) => {
      (this.#client as unknown as Record<string, Method>)[method]!(request, (error, answer) =>
        error ? reject(error) : resolve(answer as Answer),
      );
    });
  }
}

type Method = (request: object, done: (error: Error | null, answer: unknown) => void) => void;
