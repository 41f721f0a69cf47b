import type { Call } from './grpc.ts';
import { nameInLabels } from './kubernetes.ts';
import type { ContainerFacts } from './runtime.ts';

interface Container {
  id: string;
  labels: Record<string, string>;
  image: string;
}

const SERVICES = 'containerd.services';

/**
 * What containerd itself reports of a container, whatever made it: Kubernetes, nerdctl, or ctr, which gives
 * it no name but its id. Undefined when none of its namespaces holds it.
 */
export async function askContainerd(call: Call, id: string): Promise<ContainerFacts | undefined> {
  const list = await call<{ namespaces: { name: string }[] }>(
    `${SERVICES}.namespaces.v1.Namespaces/List`,
    {},
  );
  for (const { name: space } of list?.namespaces ?? []) {
    const answer = await call<{ container: Container | null }>(
      `${SERVICES}.containers.v1.Containers/Get`,
      { id },
      space,
    );
    if (answer?.container) return factsOf(call, space, answer.container);
  }
  return undefined;
}

async function factsOf(call: Call, space: string, container: Container): Promise<ContainerFacts> {
  const { id, image, labels } = container;
  const digest = await digestOf(call, space, image);
  const named = nameInLabels(labels) ?? { name: labels['nerdctl/name'] ?? id };
  return { ...named, image, imageId: '', ...(digest && { digest }), labels };
}

/** Of what a name of an image means now. */
async function digestOf(call: Call, space: string, name: string): Promise<string | undefined> {
  if (name === '') return undefined;
  const answer = await call<{ image: { target: { digest: string } | null } | null }>(
    `${SERVICES}.images.v1.Images/Get`,
    { name },
    space,
  );
  return answer?.image?.target?.digest;
}
