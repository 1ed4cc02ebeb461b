// A flow of a data thread -> its message. Pure. Called by reporter.ts.
import { create } from '@bufbuild/protobuf';
import { Flow_Direction, type Flow as FlowMessage, FlowSchema } from '@ambit/proto/telemetry';
import type { Flow, FlowEnd } from '../flow-buffer.ts';

const DIRECTIONS = {
  inbound: Flow_Direction.INBOUND,
  outbound: Flow_Direction.OUTBOUND,
  waypoint: Flow_Direction.WAYPOINT,
} as const;

const endOf = ({ address, workload = '', namespace = '', identity = '', cluster = '' }: FlowEnd) => ({
  address,
  workload,
  namespace,
  identity,
  cluster,
});

/** The message of a flow. */
export function flowMessage(flow: Flow): FlowMessage {
  const { http } = flow;
  return create(FlowSchema, {
    id: flow.id ?? '',
    connectionId: flow.connectionId ?? '',
    authority: flow.authority ?? '',
    endedUnixMs: flow.endedUnixMs,
    durationMs: flow.durationMs,
    direction: DIRECTIONS[flow.direction],
    source: endOf(flow.source),
    destination: endOf(flow.destination),
    service: flow.service ?? '',
    serviceNamespace: flow.serviceNamespace ?? '',
    mutualTls: flow.mutualTls,
    bytesSent: flow.bytesSent,
    bytesReceived: flow.bytesReceived,
    error: flow.error ?? '',
    responseFlags: flow.responseFlags ?? '',
    ...(http === undefined ? {} : { http: { ...http, route: http.route ?? '' } }),
  });
}
