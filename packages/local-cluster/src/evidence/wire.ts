// In: a running cluster's description and a span of time. Out: what crossed between its pods. Called by main.ts (`wire`). Main thread.
import { openNetns } from '@ambit/net';
import { openCapture } from '@ambit/net/native/capture';
import { setTimeout as delay } from 'node:timers/promises';
import type { ClusterFile } from '../cluster-state.ts';
import { tcpSegmentOf } from './frame.ts';
import { type WireReport, WireTally } from './payload.ts';

const LOOK_MS = 5;
/** Ranges of pods and services; probes and the control plane's nodes lie elsewhere. */
const MESH_RANGES = ['10.244.', '10.96.'];
/** Ports of the mesh's own components, which are TLS before and after. */
const CONTROL_PORTS = new Set([15_010, 15_012, 443, 6443]);

const isMeshAddress = (ip: string): boolean => MESH_RANGES.some((range) => ip.startsWith(range));

/** Watches every node's interfaces for `seconds`. Only segments between pods that carry something count. */
export async function watchPackets(cluster: ClusterFile, seconds: number): Promise<WireReport> {
  const namespaces = cluster.nodes.flatMap(({ netns }) =>
    netns === undefined ? [] : [openNetns(`/run/netns/${netns}`)],
  );
  const captures = namespaces.map(({ fd }) => openCapture(fd));
  const tally = new WireTally('packets');
  const end = performance.now() + seconds * 1000;
  try {
    while (performance.now() < end) {
      for (const capture of captures) {
        for (let frame = capture.read(); frame !== undefined; frame = capture.read()) {
          const segment = tcpSegmentOf(frame);
          if (segment === undefined) continue;
          if (!isMeshAddress(segment.source) || !isMeshAddress(segment.destination)) continue;
          if (CONTROL_PORTS.has(segment.sourcePort) || CONTROL_PORTS.has(segment.destinationPort)) continue;
          const flow = `${segment.source}:${segment.sourcePort}>${segment.destination}:${segment.destinationPort}`;
          if (segment.isOpening) tally.open(flow);
          else if (segment.payload.length > 0) tally.add(segment.payload, flow);
        }
      }
      await delay(LOOK_MS);
    }
  } finally {
    captures.forEach((capture) => capture.close());
    namespaces.forEach((namespace) => namespace.close());
  }
  return tally.report();
}
