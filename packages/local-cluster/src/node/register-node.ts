// What a node says of itself: its Node object and its lease. In: the node's place and boot. Out: objects written. Called by
// node-runtime.ts. Main thread.
import { cpus, release, totalmem } from 'node:os';
import type { ObjectApi } from '../api/object-api.ts';
import { nowSeconds } from '../controllers/context.ts';
import type { AnyObject, Node } from '../controllers/objects.ts';
import type { NodePlace } from '../network/topology.ts';

/** Facts of a node. */
export interface NodeFacts {
  readonly api: ObjectApi;
  readonly place: NodePlace;
  readonly kubeletVersion: string;
}

/** Makes or renews the Node object: labels, addresses, capacity, ready. `bootId` is another one after each start. */
export async function registerNode({ api, place, kubeletVersion }: NodeFacts, bootId: string): Promise<void> {
  const now = nowSeconds();
  const labels = {
    'kubernetes.io/hostname': place.name,
    'kubernetes.io/os': 'linux',
    'kubernetes.io/arch': process.arch === 'arm64' ? 'arm64' : 'amd64',
    'beta.kubernetes.io/os': 'linux',
    'topology.kubernetes.io/region': 'local',
    'topology.kubernetes.io/zone': `local-${place.index}`,
  };
  const node: Node = {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: place.name, labels },
    spec: {
      podCIDR: `${place.podPrefix}.0/24`,
      podCIDRs: [`${place.podPrefix}.0/24`],
      providerID: `ambit://${place.name}`,
    },
  };
  const present = api.get<Node>('nodes', place.name);
  if (present === undefined) await api.create('nodes', node);
  else await api.patch('nodes', place.name, undefined, { metadata: { labels }, spec: node.spec });
  const resources = { cpu: String(cpus().length), memory: `${Math.floor(totalmem() / 1024)}Ki`, pods: '250' };
  const condition = (type: string, holds: boolean, reason: string, message: string): Record<string, string> => ({
    type,
    status: holds ? 'True' : 'False',
    reason,
    message,
    lastHeartbeatTime: now,
    lastTransitionTime: now,
  });
  const status = {
    addresses: [
      { type: 'InternalIP', address: place.ip },
      { type: 'Hostname', address: place.name },
    ],
    capacity: resources,
    allocatable: resources,
    conditions: [
      condition('MemoryPressure', false, 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'),
      condition('DiskPressure', false, 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'),
      condition('PIDPressure', false, 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'),
      condition('Ready', true, 'KubeletReady', 'kubelet is posting ready status'),
    ],
    nodeInfo: {
      architecture: labels['kubernetes.io/arch'],
      operatingSystem: 'linux',
      osImage: 'Ambit local cluster',
      kernelVersion: release(),
      containerRuntimeVersion: 'ambit://0.0.0',
      kubeletVersion,
      kubeProxyVersion: kubeletVersion,
      bootID: bootId,
      machineID: '',
      systemUUID: '',
    },
  };
  await api.patch('nodes', place.name, undefined, { status }, { subresource: 'status' });
}

/** Tells that the node lives. */
export async function renewLease(api: ObjectApi, name: string): Promise<void> {
  const renewTime = new Date().toISOString().replace('Z', '000Z');
  if (api.get('leases.coordination.k8s.io', name, 'kube-node-lease') !== undefined) {
    await api.patch('leases.coordination.k8s.io', name, 'kube-node-lease', { spec: { renewTime } });
    return;
  }
  const lease: AnyObject & { spec: object } = {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name, namespace: 'kube-node-lease' },
    spec: { holderIdentity: name, leaseDurationSeconds: 40, renewTime },
  };
  await api.create('leases.coordination.k8s.io', lease);
}
