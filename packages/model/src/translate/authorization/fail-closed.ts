// An AuthorizationPolicy that cannot be read still protects: nothing is allowed in its scope until it is repaired
// (decision D4, style-anchors: policies fail closed). Pure.
import type { KubernetesObject } from '@ambit/resources';
import type { ModelKind } from '../../index/objects.ts';

/** A stand-in that allows nothing in the scope of a broken policy; undefined for other kinds, which are left out. */
export function failClosed(kind: ModelKind, object: KubernetesObject): KubernetesObject | undefined {
  if (kind === 'RequestAuthentication') return unusableAuthentication(object);
  if (kind !== 'AuthorizationPolicy') return undefined;
  const spec = object['spec'] as { selector?: { matchLabels?: unknown }; targetRefs?: unknown } | undefined;
  const labels = textMap(spec?.selector?.matchLabels);
  return {
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: {
      name: object.metadata?.name ?? '',
      namespace: object.metadata?.namespace ?? '',
    },
    spec: { action: 'ALLOW', rules: [], ...(labels && { selector: { matchLabels: labels } }), ...targets(spec) },
  };
}

/** Same targets, and a key set that the translation refuses: the waypoint denies what it covers. */
function unusableAuthentication(object: KubernetesObject): KubernetesObject {
  const spec = object['spec'] as { targetRef?: unknown; targetRefs?: unknown } | undefined;
  return {
    apiVersion: 'security.istio.io/v1',
    kind: 'RequestAuthentication',
    metadata: { name: object.metadata?.name ?? '', namespace: object.metadata?.namespace ?? '' },
    spec: { jwtRules: [{ jwks: 'unreadable' }], ...targets(spec) },
  };
}

function textMap(value: unknown): Record<string, string> | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const entries = Object.entries(value).filter(([, v]) => typeof v === 'string') as [string, string][];
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

function targets(spec: { targetRef?: unknown; targetRefs?: unknown } | undefined): Record<string, unknown> {
  const list = Array.isArray(spec?.targetRefs)
    ? spec.targetRefs
    : spec?.targetRef === undefined
      ? []
      : [spec.targetRef];
  const refs = list.filter(
    (r) => typeof r === 'object' && r !== null && typeof r.kind === 'string' && typeof r.name === 'string',
  );
  return refs.length === 0 ? {} : { targetRefs: refs };
}
