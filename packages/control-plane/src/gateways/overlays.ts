// Customisation of deployed objects by ConfigMap (spec control-plane 6.4). In: rendered objects and the data of ConfigMaps.
// Out: the objects with every overlay applied, or a PatchError: then nothing is applied. Pure; called by deployer.ts.
import { type Gateway, type KubernetesObject, parseDocuments } from '@ambit/resources';
import { PatchError, strategicMerge } from './strategic-merge.ts';

/** Data keys of a ConfigMap and the kinds that they change. */
const KINDS: Readonly<Record<string, string>> = {
  deployment: 'Deployment',
  service: 'Service',
  serviceAccount: 'ServiceAccount',
  horizontalPodAutoscaler: 'HorizontalPodAutoscaler',
  podDisruptionBudget: 'PodDisruptionBudget',
};
/** Kinds that exist only when an overlay asks for them. */
const OPTIONAL = new Set(['HorizontalPodAutoscaler', 'PodDisruptionBudget']);
/** Metadata that an overlay may change. */
const FREE_METADATA = new Set(['labels', 'annotations']);

/** Data of one ConfigMap. */
export type OverlayData = Readonly<Record<string, string>>;

/** Applies overlays in order. */
export function withOverlays(
  objects: readonly KubernetesObject[],
  overlays: readonly OverlayData[],
): KubernetesObject[] {
  const patches = overlays.map(patchesOf);
  return objects.flatMap((object) => {
    const own = patches.map((patch) => patch.get(object.kind ?? '')).filter((patch) => patch !== undefined);
    if (own.length === 0) return OPTIONAL.has(object.kind ?? '') ? [] : [object];
    return [own.reduce(apply, object)];
  });
}

function patchesOf(data: OverlayData): Map<string, Record<string, unknown>> {
  const patches = new Map<string, Record<string, unknown>>();
  for (const [key, text] of Object.entries(data)) {
    const kind = Object.hasOwn(KINDS, key) ? KINDS[key] : undefined;
    if (kind === undefined) throw new PatchError(`unknown overlay "${key}"`);
    patches.set(kind, mapOf(key, text));
  }
  return patches;
}

function mapOf(key: string, text: string): Record<string, unknown> {
  let documents: readonly unknown[];
  try {
    documents = parseDocuments(text);
  } catch (cause) {
    throw new PatchError(`overlay "${key}" is no YAML`, { cause });
  }
  const [value = {}] = documents;
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new PatchError(`overlay "${key}" is no map`);
  return value as Record<string, unknown>;
}

function apply(object: KubernetesObject, patch: Record<string, unknown>): KubernetesObject {
  const result = strategicMerge(object as Record<string, unknown>, patch) as KubernetesObject;
  // An overlay cannot turn an object into another one, nor cut it off from its Gateway.
  const fixed = (o: KubernetesObject): string =>
    JSON.stringify([
      o.apiVersion,
      o.kind,
      Object.entries(o.metadata ?? {})
        .filter(([key]) => !FREE_METADATA.has(key))
        .toSorted(([a], [b]) => (a < b ? -1 : 1)),
    ]);
  if (fixed(result) !== fixed(object)) throw new PatchError(`illegal metadata change of ${object.kind ?? 'object'}`);
  return result;
}

/** The ConfigMap that a Gateway names. Throws PatchError for anything that is no ConfigMap. */
export function parametersOf({ metadata, spec }: Gateway): { namespace: string; name: string } | undefined {
  const ref = spec?.infrastructure?.parametersRef;
  if (ref === undefined) return undefined;
  const { group = '', kind, name } = ref;
  if (group !== '' || kind !== 'ConfigMap') {
    throw new PatchError(`parametersRef must name a ConfigMap, not "${kind}" of group "${group}"`);
  }
  return { namespace: metadata.namespace ?? '', name };
}
