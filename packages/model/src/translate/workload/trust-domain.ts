// How workloads carry the trust domain of the mesh. Pure.
import type { View } from '../../index/view.ts';

/** Trust domain on the wire: the default one is left out. */
export function trustDomainOnWire(view: View): string {
  const { trustDomain } = view.options;
  return trustDomain === 'cluster.local' ? '' : trustDomain;
}
