// meshnetworks.MeshNetworksAnalyzer: networks that name an unknown cluster (IST0126).
import { mapOf, mapsOf, textOf } from '../../validate/json.ts';
import type { Analyzer } from '../analyzer.ts';
import { messageTypes } from '../message.ts';

const KNOWN_REGISTRIES = ['Mock', 'Kubernetes', 'External'];
const REMOTE_CLUSTER = 'istio/multiCluster';

/** See the file's comment. */
export const meshNetworksAnalyzer: Analyzer = {
  name: 'meshnetworks.MeshNetworksAnalyzer',
  description: 'Check the validity of MeshNetworks in the cluster',
  inputs: ['Secret'],
  analyze: ({ objects, meshNetworks }, report) => {
    const known = new Set(KNOWN_REGISTRIES);
    for (const secret of objects.all('Secret')) {
      if (secret.labels[REMOTE_CLUSTER] !== 'true') continue;
      for (const cluster of Object.keys(mapOf(secret.object['data']))) known.add(cluster);
    }
    for (const [network, settings] of Object.entries(mapOf(meshNetworks['networks']))) {
      for (const endpoint of mapsOf(mapOf(settings)['endpoints'])) {
        const registry = textOf(endpoint['fromRegistry']);
        if (endpoint['fromRegistry'] === undefined || known.has(registry)) continue;
        report({
          code: 'IST0126',
          level: messageTypes.IST0126[0],
          text: `Unknown service registry ${registry} in network ${network}`,
          subject: undefined,
          reference: undefined,
        });
      }
    }
  },
};
