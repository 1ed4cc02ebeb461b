// Flows of the whole mesh, through the control plane. In: a cluster. Out: what ends, from every replica, as the user's permissions allow.
// Each replica knows what its own proxies report, so all are watched; new ones are found. Called by tap.ts.
import { Flow_Direction, type Flow as FlowMessage, type Peer } from '@ambit/proto/telemetry';
import { codeOf } from '@ambit/runtime/errors';
import { setTimeout as delay } from 'node:timers/promises';
import { kinds } from '../cluster/kinds.ts';
import { conditionOf, nameOf } from '../cluster/object-fields.ts';
import type { OpenedCluster } from '../cluster/open.ts';
import { CliError } from '../errors.ts';
import { isEnding } from '../mesh/capture.ts';
import type { Flow } from './access-line.ts';
import { flowCredentials } from './flow-credentials.ts';
import { watchFlows } from './watch-flows.ts';

const PORT = 15_012;
/** How often replicas are looked for. */
const LOOK_MS = 2000;

const directions: Readonly<Record<number, Flow['direction']>> = {
  [Flow_Direction.INBOUND]: 'inbound',
  [Flow_Direction.OUTBOUND]: 'outbound',
  [Flow_Direction.WAYPOINT]: 'waypoint',
};

const nameOfPeer = (peer: Peer | undefined): string => {
  if (peer === undefined) return '';
  if (peer.workload === '') return peer.address;
  return peer.namespace === '' ? peer.workload : `${peer.namespace}/${peer.workload}`;
};

/** What a message says. Pure. */
export const flowOfMessage = (message: FlowMessage): Flow => ({
  time: new Date(message.endedUnixMs).toISOString(),
  direction: directions[message.direction] ?? 'outbound',
  source: nameOfPeer(message.source),
  destination: nameOfPeer(message.destination),
  service: message.service,
  isMutualTls: message.mutualTls,
  bytes: message.bytesSent + message.bytesReceived,
  durationMs: Math.round(message.durationMs),
  error: message.error,
  method: message.http?.method ?? '',
  path: message.http?.path ?? '',
  status: message.http?.status ?? 0,
  sourceAddress: message.source?.address ?? '',
  destinationAddress: message.destination?.address ?? '',
  sourceIdentity: message.source?.identity ?? '',
  destinationIdentity: message.destination?.identity ?? '',
  authority: message.authority,
  connection: message.connectionId,
  trace: message.id,
  reporter: message.reporter,
});

/** Receives what comes. */
export interface FlowReceiver {
  readonly onFlow: (flow: Flow) => void;
  /** Lost on the way: by proxies over their limit, or because this program was slow. */
  readonly onLost: (count: number) => void;
}

/**
 * Follows every replica until `signal`. The reason where flows cannot be watched at all: no credentials, or a control plane that takes none.
 * Throws ERR_CLI_REFUSED where the user may not, and ERR_CLI_NOT_FOUND without a control plane.
 */
export async function followControlPlane(
  api: OpenedCluster,
  wish: { readonly namespace: string; readonly maxPerSecond: number },
  receiver: FlowReceiver,
  signal: AbortSignal,
): Promise<true | string> {
  const credentials = await flowCredentials(api);
  if (typeof credentials === 'string') return credentials;
  const { rootPem } = credentials;
  const stop = new AbortController();
  const ending = AbortSignal.any([signal, stop.signal]);
  const following = new Set<string>();
  let failure: unknown;
  let isKnown = true;

  const follow = async (name: string): Promise<void> => {
    const connection = await api.openPod({ namespace: api.istioNamespace, name, port: PORT });
    const serverName = `istiod.${api.istioNamespace}.svc`;
    const watch = { connection, serverName, rootPem, token: await credentials.token(), ...wish };
    for await (const { flows, dropped } of watchFlows(watch, ending)) {
      for (const flow of flows) receiver.onFlow(flowOfMessage(flow));
      receiver.onLost(dropped);
    }
  };
  const onEnd = (error: unknown): void => {
    if (codeOf(error) === 'ERR_CLI_NOT_FOUND') isKnown = false;
    else if (codeOf(error) === 'ERR_CLI_REFUSED' && !credentials.hasEnded()) failure = error;
    else return; // It restarts, was upgraded, or the token has ended: the next look finds it again.
    stop.abort();
  };
  const runs: Promise<void>[] = [];
  while (!ending.aborted) {
    const pods = await api.list(kinds.pod, { namespace: api.istioNamespace, labelSelector: 'app=istiod' });
    const ready = pods.filter((pod) => !isEnding(pod) && conditionOf(pod, 'Ready')?.status === 'True').map(nameOf);
    if (pods.length === 0 && following.size === 0)
      throw new CliError('ERR_CLI_NOT_FOUND', 'no control plane is there', { hint: 'ambit check' });
    for (const name of ready.filter((one) => !following.has(one))) {
      following.add(name);
      runs.push(
        follow(name)
          .catch(onEnd)
          .finally(() => following.delete(name)),
      );
    }
    await delay(LOOK_MS, undefined, { signal: ending }).catch(() => undefined);
  }
  await Promise.all(runs);
  if (failure !== undefined) throw failure;
  return isKnown || 'this control plane takes no flows';
}
