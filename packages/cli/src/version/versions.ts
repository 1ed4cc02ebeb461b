// In: the objects of an installation. Out: versions and whether they go together (INS-5). Pure. Called by print.ts, check and upgrade.
import type { KubernetesObject } from '@ambit/resources';
import { specOf, statusOf } from '../cluster/object-fields.ts';

type Container = { readonly image?: string };

/** Tag of an image reference, without digest; empty when there is none. */
export function tagOf(image: string): string {
  const reference = image.split('@')[0] ?? '';
  const colon = reference.lastIndexOf(':');
  return colon > reference.lastIndexOf('/') ? reference.slice(colon + 1) : '';
}

/** Tag of the first container of a workload's template, or of a pod. */
export function versionOf(object: KubernetesObject): string {
  const spec = specOf(object) as {
    containers?: readonly Container[];
    template?: { spec?: { containers?: readonly Container[] } };
  };
  const image = (spec.template?.spec?.containers ?? spec.containers)?.[0]?.image ?? '';
  return tagOf(image) || 'unknown';
}

/** Pods by version, most frequent first. Ended pods do not count. */
export function countVersions(
  pods: readonly KubernetesObject[],
): readonly { readonly version: string; readonly count: number }[] {
  const counts = new Map<string, number>();
  for (const pod of pods) {
    if (['Succeeded', 'Failed'].includes(String(statusOf(pod)['phase']))) continue;
    counts.set(versionOf(pod), (counts.get(versionOf(pod)) ?? 0) + 1);
  }
  return [...counts]
    .map(([version, count]) => ({ version, count }))
    .toSorted((a, b) => b.count - a.count || (a.version < b.version ? -1 : 1));
}

/** Major and minor of `1.32.1` or `v1.32.1-x`; undefined for anything else. */
export function minorOf(version: string): { readonly major: number; readonly minor: number } | undefined {
  const [major, minor] = (version.startsWith('v') ? version.slice(1) : version).split('.').map(Number);
  return Number.isInteger(major) && Number.isInteger(minor)
    ? { major: major as number, minor: minor as number }
    : undefined;
}

/** What is wrong with a data plane of one version under a control plane of another; undefined when nothing is. */
export function skewOf(controlPlane: string, dataPlane: string): string | undefined {
  const [above, below] = [minorOf(controlPlane), minorOf(dataPlane)];
  if (above === undefined || below === undefined) return undefined;
  if (above.major !== below.major) return `${dataPlane} and ${controlPlane} are different major versions`;
  if (below.minor > above.minor) return `${dataPlane} is newer than the control plane (${controlPlane})`;
  if (above.minor - below.minor > 1)
    return `${dataPlane} is more than one minor version older than the control plane (${controlPlane})`;
  return undefined;
}
