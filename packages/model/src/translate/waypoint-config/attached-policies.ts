// Which policies hold for a service or a waypoint (spec waypoint 4.1.1). Only targets count: selectors are the node proxy's
// business. Out: references in order, and the resources behind them, key sets included. Pure.
import type { MessageInitShape } from '@bufbuild/protobuf';
import { POLICY_TYPE_URL, SECRET_TYPE_URL } from '@ambit/proto/type-urls';
import type { PolicyRefSchema } from '@ambit/proto/waypoint';
import type {
  AuthorizationPolicy,
  EnvoyFilter,
  Gateway,
  RequestAuthentication,
  TargetRef,
  Telemetry,
} from '@ambit/resources';
import { identityOf, type View } from '../../index/view.ts';
import { type Targeted, targetsOf } from '../authorization/target-status.ts';
import type { ServiceDefinition } from '../service/definition.ts';
import { rateLimitsOf } from './envoy-filter/rate-limits.ts';
import { jwksKey, policyKey } from './keys.ts';

type Ref = Exclude<MessageInitShape<typeof PolicyRefSchema>, { $typeName: string }>;

/** Policies of one place. */
export interface AttachedPolicies {
  readonly refs: Ref[];
  /** Type URL and name of everything that a waypoint must be able to read for them. */
  readonly names: readonly (readonly [typeUrl: string, name: string])[];
}

type Targeting = (target: TargetRef) => boolean;

const GATEWAY_API = 'gateway.networking.k8s.io';

/** True for a Telemetry that waypoints look at: one with a selector is for the pods that it selects. */
export function isForProxies({ spec }: Telemetry): boolean {
  return spec?.selector === undefined;
}

/**
 * Policies that name the service; an EnvoyFilter may name it too, which upstream has no form for. The Telemetry of its namespace
 * counts as well when its waypoint lives in another one, before those that name the service.
 */
export function policiesOfService(
  view: View,
  { kind, namespace, name }: ServiceDefinition,
  waypointNamespace: string,
): AttachedPolicies {
  const group = kind === 'Service' ? '' : 'networking.istio.io';
  const isService: Targeting = (t) => t.kind === kind && groupOf(t) === group && t.name === name;
  const ofNamespace = namespace === waypointNamespace ? [] : telemetryOfNamespace(view, namespace);
  return together([...ofNamespace, ...policiesIn(view, namespace, isService)]);
}

/** Policies that name the class (root namespace) or the Gateway itself (its namespace); before them the Telemetries of both namespaces. */
export function policiesOfGateway(view: View, gateway: Gateway): AttachedPolicies {
  const { namespace, name } = identityOf(gateway);
  const className = gateway.spec?.gatewayClassName ?? '';
  const names =
    (kind: string, text: string): Targeting =>
    (t) =>
      t.group === GATEWAY_API && t.kind === kind && t.name === text;
  return together([
    ...telemetryOfNamespace(view, view.options.rootNamespace),
    ...(namespace === view.options.rootNamespace ? [] : telemetryOfNamespace(view, namespace)),
    ...policiesIn(view, view.options.rootNamespace, names('GatewayClass', className)),
    ...policiesIn(view, namespace, names('Gateway', name)),
  ]);
}

/** The core group is written as nothing or as `core`. */
const groupOf = ({ group = '' }: TargetRef): string => (group === 'core' ? '' : group);

function policiesIn(view: View, namespace: string, fits: Targeting): AttachedPolicies[] {
  const targeted = <T extends Targeted>(objects: readonly T[]): T[] =>
    objects.filter((object) => targetsOf(object).some(fits));
  return [
    ...targeted(view.inNamespace('AuthorizationPolicy', namespace)).map(authorization),
    ...targeted(view.inNamespace('RequestAuthentication', namespace)).map(authentication),
    ...targeted(view.inNamespace('EnvoyFilter', namespace)).map((filter) => limits(view, filter)),
    ...targeted(view.inNamespace('Telemetry', namespace)).filter(isForProxies).map(telemetry),
  ];
}

/** The parts in their order; a policy that is named twice counts once. */
function together(parts: readonly AttachedPolicies[]): AttachedPolicies {
  const refs = new Map(parts.flatMap((part) => part.refs).map((ref) => [ref.policy, ref]));
  return { refs: [...refs.values()], names: parts.flatMap((part) => part.names) };
}

const ref = (policy: string): Ref => ({ policy, failClosedIfMissing: true });

function authorization(policy: AuthorizationPolicy): AttachedPolicies {
  const { namespace, name } = identityOf(policy);
  const key = policyKey('AuthorizationPolicy', namespace, name);
  return { refs: [ref(key)], names: [[POLICY_TYPE_URL, key]] };
}

function authentication(policy: RequestAuthentication): AttachedPolicies {
  const { namespace, name } = identityOf(policy);
  const key = policyKey('RequestAuthentication', namespace, name);
  const secrets = (policy.spec?.jwtRules ?? []).map(
    (_rule, i) => [SECRET_TYPE_URL, jwksKey(namespace, name, i)] as const,
  );
  return { refs: [ref(key)], names: [[POLICY_TYPE_URL, key], ...secrets] };
}

/** Can neither open nor close anything, so a missing one closes nothing. */
function telemetry(object: Telemetry): AttachedPolicies {
  const { namespace, name } = identityOf(object);
  const policy = policyKey('Telemetry', namespace, name);
  return { refs: [{ policy, failClosedIfMissing: false }], names: [[POLICY_TYPE_URL, policy]] };
}

/** The Telemetry of a whole namespace; of several the oldest, as upstream. */
function telemetryOfNamespace(view: View, namespace: string): AttachedPolicies[] {
  const createdAt = ({ metadata }: Telemetry): string => metadata.creationTimestamp ?? '';
  const [oldest] = view
    .inNamespace('Telemetry', namespace)
    .filter((object) => isForProxies(object) && targetsOf(object).length === 0)
    .toSorted((a, b) => (createdAt(a) < createdAt(b) ? -1 : createdAt(a) > createdAt(b) ? 1 : 0));
  return oldest === undefined ? [] : [telemetry(oldest)];
}

function limits(view: View, filter: EnvoyFilter): AttachedPolicies {
  const { policies, names } = rateLimitsOf(view, filter);
  return { refs: policies.map(({ key, ports }) => ({ ...ref(key), ports: [...ports] })), names };
}
