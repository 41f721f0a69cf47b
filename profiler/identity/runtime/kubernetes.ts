/** The labels by which a kubelet names the pod of a container. */
export const POD_LABEL = 'io.kubernetes.pod.name';
export const NAMESPACE_LABEL = 'io.kubernetes.pod.namespace';
const NAME_LABEL = 'io.kubernetes.container.name';

/** What Kubernetes calls a container. */
export interface KubernetesName {
  name: string;
  pod: string;
  namespace: string;
}

/**
 * Kubernetes gives no container a name of its own on the host, and any tenant may call theirs "app": with its
 * namespace, shop/app, a name is the same whenever the pod is made anew, and that of no other container. The
 * sandbox of a pod, which holds its namespaces and connects to nothing, has no name. Undefined for what is of
 * no pod.
 */
export function kubernetesName(
  pod: string | undefined,
  namespace: string | undefined,
  container: string | undefined,
): KubernetesName | undefined {
  if (!pod || !namespace) return undefined;
  return { name: `${namespace}/${container || 'sandbox'}`, pod, namespace };
}

/** What the labels of a kubelet say of it. */
export function nameInLabels(
  labels: Readonly<Record<string, string | undefined>>,
): KubernetesName | undefined {
  return kubernetesName(labels[POD_LABEL], labels[NAMESPACE_LABEL], labels[NAME_LABEL]);
}
