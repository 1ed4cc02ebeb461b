// Which clients we serve, and which waypoint a client is (spec control-plane 4.7, 4.8; decision W1). Pure.
import type { Model } from '@ambit/model';
import { checkNodeIdentity, type ClientIdentity, type ClientInfo, XdsError, type XdsNode } from '@ambit/xds/server';

/** Label of the pods of a Gateway. */
export const GATEWAY_NAME = 'gateway.networking.k8s.io/gateway-name';

/** Refuses clients that claim what they are not, and clients that need Envoy resources. Throws XdsError. */
export function authorizeClient(node: XdsNode, identity: ClientIdentity | undefined, checksIdentity: boolean): void {
  if (identity !== undefined && checksIdentity) checkNodeIdentity(node, identity);
  if (node.type === 'ztunnel' || isOwnWaypoint(node)) return;
  throw new XdsError(
    'ERR_XDS_UNSUPPORTED_CLIENT',
    `this control plane has no configuration for ${node.type} ${node.podName}`,
    {
      hint: 'it serves node proxies and its own waypoints; Envoy proxies need istiod',
    },
  );
}

/** True for our own waypoint, which says so in its metadata. */
export function isOwnWaypoint(node: XdsNode): boolean {
  return node.type === 'waypoint' && node.text('GENERATOR') === 'ambit';
}

/** Key of the Gateway that a waypoint client of ours belongs to; undefined for other clients. */
export function waypointOf(model: Model, { node }: ClientInfo): string | undefined {
  return isOwnWaypoint(node) ? gatewayOf(model, node) : undefined;
}

/**
 * Key of the Gateway that a waypoint of ours belongs to, by its pod alone and only when the client has proved to be of the service account of that
 * pod: good enough to hand out keys. Undefined otherwise.
 */
export function provenWaypointOf(model: Model, { node, identity }: ClientInfo): string | undefined {
  const namespace = node.text('NAMESPACE') ?? node.podNamespace;
  const pod = model.view().get('Pod', `${namespace}/${node.podName}`);
  const name = pod?.metadata?.labels?.[GATEWAY_NAME];
  const account = `/ns/${namespace}/sa/${pod?.spec?.serviceAccountName ?? 'default'}`;
  const isProven = identity?.identities.some((uri) => uri.startsWith('spiffe://') && uri.endsWith(account)) === true;
  return isOwnWaypoint(node) && isProven && name !== undefined ? `${namespace}/${name}` : undefined;
}

/** Key of the Gateway that a proxy says it serves; the pod's own label decides. */
export function gatewayOf(model: Model, node: XdsNode): string {
  const namespace = node.text('NAMESPACE') ?? node.podNamespace;
  const pod = model.object('Pod', `${namespace}/${node.podName}`);
  const labels = node.metadata['LABELS'];
  const claimed =
    typeof labels === 'object' && labels !== null && !Array.isArray(labels) ? labels[GATEWAY_NAME] : undefined;
  const name = pod?.metadata?.labels?.[GATEWAY_NAME] ?? claimed ?? node.text('WORKLOAD_NAME') ?? '';
  return `${namespace}/${typeof name === 'string' ? name : ''}`;
}
