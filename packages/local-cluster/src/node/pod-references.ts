// In: a pod. Out: the objects beside it that its containers need. Pure. Called by pod-worker.ts when such an object changes.
import type { Pod } from '../controllers/objects.ts';

/** Names of the ConfigMaps or Secrets that volumes and environment of a pod refer to. */
export function namesUsedBy(pod: Pod, kind: 'configmaps' | 'secrets'): ReadonlySet<string> {
  const names = new Set<string | undefined>();
  for (const volume of pod.spec.volumes ?? []) {
    names.add(kind === 'configmaps' ? volume.configMap?.name : volume.secret?.secretName);
    for (const source of volume.projected?.sources ?? [])
      names.add((kind === 'configmaps' ? source.configMap : source.secret)?.name);
  }
  for (const container of [...pod.spec.containers, ...(pod.spec.initContainers ?? [])]) {
    for (const from of container.envFrom ?? [])
      names.add((kind === 'configmaps' ? from.configMapRef : from.secretRef)?.name);
    for (const { valueFrom } of container.env ?? [])
      names.add((kind === 'configmaps' ? valueFrom?.configMapKeyRef : valueFrom?.secretKeyRef)?.name);
  }
  return new Set([...names].filter((name) => name !== undefined));
}
