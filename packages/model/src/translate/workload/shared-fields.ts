// Fields that workloads of several sources share: identity of the mesh, tunnel, waypoint, policies, network gateway.
// In: labels and annotations. Out: partial messages that the translations spread into theirs.
import type { View } from '../../index/view.ts';
import { type Labels, REDIRECTION, TUNNEL } from '../../labels.ts';
import { HBONE, type WorkloadInit } from '../../wire.ts';
import { bindWorkload, waypointOfInstance } from '../waypoint/binding.ts';
import { networkGatewayOf } from './network-gateway.ts';
import { canonicalName, canonicalRevision } from './names.ts';

/** How the workload is reached: HBONE when its pod is captured or it speaks HBONE itself. */
export function tunnelFields(
  labels: Labels,
  annotations: Labels,
): Pick<WorkloadInit, 'tunnelProtocol' | 'nativeTunnel'> {
  const isNative = (labels[TUNNEL] ?? '').split(',').includes('http');
  if (isNative) return { tunnelProtocol: HBONE, nativeTunnel: true };
  return annotations[REDIRECTION] === 'enabled' ? { tunnelProtocol: HBONE } : {};
}

/** The waypoint of a workload; an instance of a waypoint has none, but may carry an application tunnel. */
export function waypointFields(
  view: View,
  namespace: string,
  labels: Labels,
): Pick<WorkloadInit, 'waypoint' | 'applicationTunnel'> {
  const own = waypointOfInstance(view, namespace, labels);
  if (own !== undefined)
    return own.inboundBinding === undefined ? {} : { applicationTunnel: { ...own.inboundBinding } };
  const address = bindWorkload(view, namespace, labels).waypoint?.address;
  return address === undefined ? {} : { waypoint: address };
}

/** Canonical names of a workload. */
export function canonicalFields(
  labels: Labels,
  workloadName: string,
): Pick<WorkloadInit, 'canonicalName' | 'canonicalRevision' | 'workloadName'> {
  return {
    workloadName,
    canonicalName: canonicalName(labels, workloadName),
    canonicalRevision: canonicalRevision(labels),
  };
}

/** The gateway that leads into the workload's network, if there is one. */
export function networkFields(view: View, network: string): Pick<WorkloadInit, 'network' | 'networkGateway'> {
  const gateway = networkGatewayOf(view, network);
  return { network, ...(gateway && { networkGateway: gateway }) };
}

/** `region/zone/subzone` -> the message; undefined when all are empty. */
export function localityOf(region = '', zone = '', subzone = ''): WorkloadInit['locality'] {
  return region === '' && zone === '' && subzone === '' ? undefined : { region, zone, subzone };
}

/** A locality text with slashes -> the message. */
export function localityOfText(text: string | undefined): WorkloadInit['locality'] {
  const [region, zone, subzone] = (text ?? '').split('/');
  return localityOf(region, zone, subzone);
}
