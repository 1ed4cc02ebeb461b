// Which policies hold for a service or a waypoint (spec waypoint 4.1.1). Only targets count: selectors are the node proxy's
// business. Out: references in order, and the resources behind them, key sets included. Pure.
import type { MessageInitShape } from '@bufbuild/protobuf';
import { POLICY_TYPE_URL, SECRET_TYPE_URL } from '@ambit/proto/type-urls';
import type { PolicyRefSchema } from '@ambit/proto/waypoint';
import type { AuthorizationPolicy, Gateway, RequestAuthentication, TargetRef } from '@ambit/resources';
import { identityOf, type View } from '../../index/view.ts';
import { targetsOf } from '../authorization/target-status.ts';
import type { ServiceDefinition } from '../service/definition.ts';
import { jwksKey, type PolicyKind, policyKey } from './keys.ts';

/** Policies of one place. */
export interface AttachedPolicies {
  readonly refs: MessageInitShape<typeof PolicyRefSchema>[];
  /** Type URL and name of everything that a waypoint must be able to read for them. */
  readonly names: readonly (readonly [typeUrl: string, name: string])[];
}

type Targeting = (target: TargetRef) => boolean;

const GATEWAY_API = 'gateway.networking.k8s.io';

/** Policies that name the service. */
export function policiesOfService(view: View, { kind, namespace, name }: ServiceDefinition): AttachedPolicies {
  const group = kind === 'Service' ? '' : 'networking.istio.io';
  const isService: Targeting = (t) => t.kind === kind && groupOf(t) === group && t.name === name;
  return attached(policiesIn(view, namespace, isService));
}

/** Policies that name the class (root namespace) or the Gateway itself (its namespace). */
export function policiesOfGateway(view: View, gateway: Gateway): AttachedPolicies {
  const { namespace, name } = identityOf(gateway);
  const className = gateway.spec?.gatewayClassName ?? '';
  const names =
    (kind: string, text: string): Targeting =>
    (t) =>
      t.group === GATEWAY_API && t.kind === kind && t.name === text;
  return attached([
    ...policiesIn(view, view.options.rootNamespace, names('GatewayClass', className)),
    ...policiesIn(view, namespace, names('Gateway', name)),
  ]);
}

/** The core group is written as nothing or as `core`. */
const groupOf = ({ group = '' }: TargetRef): string => (group === 'core' ? '' : group);

type Attached =
  | { readonly kind: 'AuthorizationPolicy'; readonly object: AuthorizationPolicy }
  | { readonly kind: 'RequestAuthentication'; readonly object: RequestAuthentication };

function policiesIn(view: View, namespace: string, fits: Targeting): Attached[] {
  const authorization = view
    .inNamespace('AuthorizationPolicy', namespace)
    .filter((policy) => targetsOf(policy).some(fits))
    .map((object): Attached => ({ kind: 'AuthorizationPolicy', object }));
  const authentication = view
    .inNamespace('RequestAuthentication', namespace)
    .filter((policy) => targetsOf(policy).some(fits))
    .map((object): Attached => ({ kind: 'RequestAuthentication', object }));
  return [...authorization, ...authentication];
}

function attached(policies: readonly Attached[]): AttachedPolicies {
  const keys = new Map<string, Attached>();
  for (const policy of policies) keys.set(keyOf(policy.kind, policy.object), policy);
  return {
    refs: [...keys.keys()].map((policy) => ({ policy, failClosedIfMissing: true })),
    names: [...keys].flatMap(([key, policy]) => [[POLICY_TYPE_URL, key] as const, ...secretsOf(policy)]),
  };
}

function keyOf(kind: PolicyKind, object: AuthorizationPolicy | RequestAuthentication): string {
  const { namespace, name } = identityOf(object);
  return policyKey(kind, namespace, name);
}

function secretsOf(policy: Attached): (readonly [string, string])[] {
  if (policy.kind !== 'RequestAuthentication') return [];
  const { namespace, name } = identityOf(policy.object);
  return (policy.object.spec?.jwtRules ?? []).map(
    (_rule, i) => [SECRET_TYPE_URL, jwksKey(namespace, name, i)] as const,
  );
}
