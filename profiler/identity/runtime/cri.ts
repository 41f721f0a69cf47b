import type { Call } from './grpc.ts';
import { kubernetesName, NAMESPACE_LABEL, POD_LABEL } from './kubernetes.ts';
import type { ContainerFacts } from './runtime.ts';

type Labels = Record<string, string>;

interface ContainerStatus {
  id: string;
  metadata: { name: string } | null;
  image: { image: string; userSpecifiedImage: string } | null;
  imageRef: string;
  imageId: string;
  labels: Labels;
}

interface PodSandboxStatus {
  id: string;
  metadata: { name: string; namespace: string } | null;
  labels: Labels;
}

const SERVICE = 'runtime.v1.RuntimeService';

/**
 * What the Container Runtime Interface reports of a container, or of the sandbox of a pod. Undefined when it
 * knows neither.
 */
export async function askCri(call: Call, id: string): Promise<ContainerFacts | undefined> {
  const container = await containerOf(call, id);
  if (!container) return sandboxFacts(await sandboxOf(call, id));
  const { imageRef, imageId, labels } = container;
  const named = await nameOf(call, container);
  const [, digest] = imageRef.split('@');
  return (
    named && {
      ...named,
      image: imageOf(container),
      imageId: (imageId || (digest === undefined ? imageRef : '')).replace(/^sha256:/, ''),
      ...(digest !== undefined && { digest }),
      labels,
    }
  );
}

/** A runtime takes the beginning of an id for the whole; here it is the whole. */
async function containerOf(call: Call, id: string): Promise<ContainerStatus | undefined> {
  const answer = await call<{ status: ContainerStatus | null }>(`${SERVICE}/ContainerStatus`, {
    containerId: id,
  });
  return answer?.status?.id === id ? answer.status : undefined;
}

async function sandboxOf(call: Call, id: string): Promise<PodSandboxStatus | undefined> {
  const answer = await call<{ status: PodSandboxStatus | null }>(`${SERVICE}/PodSandboxStatus`, {
    podSandboxId: id,
  });
  return answer?.status?.id === id ? answer.status : undefined;
}

function sandboxFacts(sandbox: PodSandboxStatus | undefined): ContainerFacts | undefined {
  const named = kubernetesName(sandbox?.metadata?.name, sandbox?.metadata?.namespace, undefined);
  return named && { ...named, image: '', imageId: '', labels: sandbox!.labels };
}

/**
 * A kubelet names the pod in the labels of the container; for containers of other tools the sandbox is asked.
 */
async function nameOf(call: Call, { id, metadata, labels }: ContainerStatus) {
  const name = metadata?.name;
  const named = kubernetesName(labels[POD_LABEL], labels[NAMESPACE_LABEL], name);
  if (named) return named;
  const list = await call<{ containers: { id: string; podSandboxId: string }[] }>(
    `${SERVICE}/ListContainers`,
    { filter: { id } },
  );
  const listed = list?.containers.find((container) => container.id === id);
  const sandbox = listed && (await sandboxOf(call, listed.podSandboxId));
  return kubernetesName(sandbox?.metadata?.name, sandbox?.metadata?.namespace, name);
}

/** By its name: a kubelet asks for an image by the id of what it has pulled. */
function imageOf({ image }: ContainerStatus): string {
  const isId = /^(?:sha256:)?[0-9a-f]{64}$/.test(image?.image ?? '');
  return (isId && image!.userSpecifiedImage) || (image?.image ?? '');
}
