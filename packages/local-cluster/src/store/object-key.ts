/** Keys of objects inside a collection: namespace and name, ordered bytewise by namespace, then name. Pure. */

import type { KubeObject } from './kube-object.ts';

/** `namespace/name`; the namespace is empty for cluster-scoped kinds. */
export const keyOf = (object: KubeObject): string => `${object.metadata.namespace ?? ''}/${object.metadata.name ?? ''}`;

/** Order of lists: namespace, then name. Names are ASCII, so code units are bytes; `/` must sort before `-` and `.`. */
export function compareKeys(a: string, b: string): number {
  const cutA = a.indexOf('/');
  const cutB = b.indexOf('/');
  const nsA = a.slice(0, cutA);
  const nsB = b.slice(0, cutB);
  if (nsA !== nsB) return nsA < nsB ? -1 : 1;
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
