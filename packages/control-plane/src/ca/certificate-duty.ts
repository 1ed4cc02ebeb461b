// Handing out of roots and revocation lists in one cluster: ours, or one that is led from here. In: the authority and the mesh configuration.
// Out: the duty of who leads there. Called by writers.ts and led-clusters.ts; main thread.
import type { KubeClient } from '@ambit/kube';
import type { Namespace } from '@ambit/resources';
import { matchesLabelSelector } from '@ambit/resources/label-selector';
import type { Logger } from '@ambit/runtime/log';
import type { ControlPlaneConfig } from '../config.ts';
import type { Duty } from '../leadership.ts';
import type { MeshSettings } from '../sources/mesh-config.ts';
import type { Authority } from './authority-keeper.ts';
import { type Distribution, distributeText } from './config-map-distribution.ts';
import { publishTrustBundle } from './trust-bundle.ts';

/** What is handed out, and where. */
export interface CertificateDutyParts {
  readonly config: ControlPlaneConfig;
  /** Of the cluster. */
  readonly client: KubeClient;
  readonly authority: Pick<Authority, 'rootPem' | 'crlPem'>;
  readonly mesh: () => MeshSettings;
  readonly log: Logger;
}

/** Roots and revocation lists in every namespace of the mesh. `refresh`: they changed, or which namespaces belong to the mesh. */
export function certificateDuty({ config, client, authority, mesh, log: parent }: CertificateDutyParts): {
  readonly duty: Duty;
  refresh(): void;
} {
  const log = parent.child('certificates');
  let running: Distribution[] = [];
  const isIncluded = ({ metadata }: Namespace): boolean => {
    const { discoverySelectors } = mesh().options;
    return (
      discoverySelectors.length === 0 ||
      discoverySelectors.some((one) => matchesLabelSelector(one, metadata.labels ?? {}))
    );
  };
  const roots = {
    name: config.PILOT_CA_CERT_CONFIGMAP,
    key: 'root-cert.pem',
    text: () => authority.rootPem,
  };
  const revoked = { name: config.PILOT_CRL_CONFIGMAP, key: 'ca-crl.pem', text: () => authority.crlPem };
  const wanted = config.PILOT_ENABLE_CA_CRL ? [roots, revoked] : [roots];
  const onLead = (signal: AbortSignal): void => {
    running = wanted.map((one) => distributeText({ client, ...one, isIncluded, log, signal }));
    if (config.ENABLE_CLUSTER_TRUST_BUNDLE_API)
      running.push(publishTrustBundle({ client, text: roots.text, log, signal }));
    signal.addEventListener('abort', () => (running = []));
  };
  return {
    duty: { lock: 'istio-namespace-controller-election', onLead },
    refresh() {
      for (const distribution of running) distribution.refresh();
    },
  };
}
