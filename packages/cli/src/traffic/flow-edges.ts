// In: flows that ended within an interval. Out: who talked to whom, as edges.ts counts it. Pure. Called by top.ts.
import type { Flow } from './access-line.ts';
import { type Edge, EdgeTable } from './edges.ts';
import { isDenied } from './verdict-of-flow.ts';

/** `shop/reviews` of `reviews.shop.svc.cluster.local`; the workload where no service was addressed. */
function destinationOf({ service, destination }: Flow): string {
  const end = service.indexOf('.svc.');
  if (end < 0) return service === '' ? destination || 'unknown' : service;
  const [name = '', namespace = ''] = service.slice(0, end).split('.');
  return `${namespace}/${name}`;
}

/** Adds one flow to its edge. A connection counts at its source, a refusal where it was refused, a request at the waypoint. */
function count(edge: Edge, flow: Flow): void {
  if (flow.direction === 'waypoint') {
    edge.requests += 1;
    if (flow.status >= 500) edge.errors += 1;
    if (isDenied(flow)) edge.denied += 1;
  } else if (flow.direction === 'inbound') {
    if (isDenied(flow)) edge.denied += 1;
  } else {
    edge.connections += 1;
    edge.bytes += flow.bytes;
    if (!flow.isMutualTls) edge.plaintext += 1;
    if (flow.error !== '') edge.failed += 1;
  }
}

/** Edges of the flows, busiest first. */
export function edgesOfFlows(flows: readonly Flow[]): readonly Edge[] {
  const edges = new EdgeTable();
  for (const flow of flows) {
    const [source, destination] = [flow.source || 'unknown', destinationOf(flow)];
    count(edges.between({ namespace: destination.split('/')[0] ?? '', source, destination }), flow);
  }
  return edges.busiestFirst();
}
