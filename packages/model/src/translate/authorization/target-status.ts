// Whether the objects that a policy names are behind a waypoint (spec control-plane 3.6). Pure.
import type { AuthorizationPolicy, TargetRef } from '@ambit/resources';
import type { ConditionResult } from '../../conditions.ts';
import { identityOf, type View } from '../../index/view.ts';
import { bindService } from '../waypoint/binding.ts';
import { waypointOf } from '../waypoint/table.ts';
import { visibilityOf } from '../service/visibility.ts';

interface TargetResult {
  readonly target: string;
  readonly isBound: boolean;
  readonly reason: string;
  readonly message: string;
}

/** What names its targets. */
export interface Targeted {
  readonly spec?: { readonly targetRef?: TargetRef; readonly targetRefs?: readonly TargetRef[] };
}

/** Target references of a policy; the single form counts first. */
export function targetsOf({ spec }: Targeted): readonly TargetRef[] {
  if ((spec?.targetRefs ?? []).length > 0) return spec?.targetRefs ?? [];
  return spec?.targetRef === undefined ? [] : [spec.targetRef];
}

/** The WaypointAccepted condition; undefined for a policy without targets. */
export function waypointAccepted(view: View, policy: AuthorizationPolicy): ConditionResult | undefined {
  const { namespace } = identityOf(policy);
  const results = targetsOf(policy).map((ref) => resultOf(view, ref, namespace));
  const first = results[0];
  if (first === undefined) return undefined;
  if (results.length === 1) return condition(first.isBound, first.reason, first.message);
  const unbound = results.filter((r) => !r.isBound);
  if (unbound.length === 0) return condition(true, 'Accepted', '');
  const message = `Invalid targetRefs: ${unbound.map((r) => r.target).join(', ')}`;
  const isAny = unbound.length < results.length;
  return condition(isAny, isAny ? 'PartiallyInvalid' : 'Invalid', message);
}

function condition(isTrue: boolean, reason: string, message: string): ConditionResult {
  return { type: 'WaypointAccepted', status: isTrue ? 'True' : 'False', reason, message };
}

function resultOf(view: View, ref: TargetRef, namespace: string): TargetResult {
  const group = ref.group ?? '';
  const target = `${ref.kind}.${group === '' ? 'core' : group}:${namespace}/${ref.name}`;
  const result = (isBound: boolean, reason: string, message: string): TargetResult => ({
    target,
    isBound,
    reason,
    message,
  });
  const key = `${namespace}/${ref.name}`;
  switch (ref.kind) {
    case 'GatewayClass':
      return classResult(view, ref.name, namespace, result);
    case 'Gateway':
      return waypointOf(view, key) === undefined
        ? result(false, 'TargetNotFound', 'not bound')
        : result(true, 'Accepted', `bound to ${key}`);
    case 'Service':
    case 'ServiceEntry': {
      // The object counts as it stands, also one that defines no service (ExternalName, addresses that cannot be read).
      const metadata = view.get(ref.kind, key)?.metadata;
      if (metadata === undefined) return result(false, 'TargetNotFound', `${ref.kind} ${key} was not found`);
      const { labels = {}, annotations = {} } = metadata;
      const isPrivate = ref.kind === 'ServiceEntry' && visibilityOf(view, namespace) === 'NAMESPACE';
      const { waypoint } = bindService(view, { namespace, labels, annotations }, isPrivate);
      return waypoint === undefined
        ? result(false, 'AncestorNotBound', `${ref.kind} ${key} is not bound to a waypoint`)
        : result(true, 'Accepted', `bound to ${waypoint.key}`);
    }
    default:
      return result(false, 'unknown', 'not bound');
  }
}

function classResult(
  view: View,
  name: string,
  namespace: string,
  result: (isBound: boolean, reason: string, message: string) => TargetResult,
): TargetResult {
  const { rootNamespace } = view.options;
  if (namespace !== rootNamespace) {
    const message = `AuthorizationPolicy must be in the root namespace \`${rootNamespace}\` when referencing a GatewayClass`;
    return result(false, 'Invalid', message);
  }
  const gatewayClass = view.get('GatewayClass', `/${name}`);
  if (gatewayClass === undefined) return result(false, 'TargetNotFound', 'not bound');
  if (gatewayClass.spec?.controllerName !== 'istio.io/mesh-controller') {
    const message = 'GatewayClass must use controller name `istio.io/mesh-controller` for waypoints';
    return result(false, 'Invalid', message);
  }
  return result(true, 'Accepted', `bound to ${name}`);
}
