// Everything that writes to the cluster, each duty behind its own lock with upstream's kind and name, so that mixed replicas do not
// write twice (spec control-plane 8.2). In: the parts of the app. Out: running elections. Called by app.ts; main thread.
import type { KubeClient } from '@ambit/kube';
import type { Logger } from '@ambit/runtime/log';
import type { Authority } from './ca/authority-keeper.ts';
import { certificateDuty } from './ca/certificate-duty.ts';
import type { ControlPlaneConfig } from './config.ts';
import { type ClassFeatures, classInfos } from './gateways/class-info.ts';
import { keepClasses } from './gateways/classes.ts';
import { deployGateways } from './gateways/deployer.ts';
import type { RenderSettings } from './gateways/render.ts';
import { compete, type Duty } from './leadership.ts';
import { untaintNodes } from './nodes/untaint.ts';
import type { ChartValues } from './sources/chart-values.ts';
import type { ClusterState } from './sources/cluster-state.ts';
import type { MeshSettings } from './sources/mesh-config.ts';
import type { RevisionTags } from './sources/revision-tags.ts';
import type { StatusWriter } from './status/writer.ts';
import { allocateVips } from './vips/allocate.ts';

/** What the writers work with. */
export interface WriterParts {
  readonly config: ControlPlaneConfig;
  readonly client: KubeClient;
  readonly log: Logger;
  readonly cluster: ClusterState;
  readonly values: ChartValues;
  readonly tags: RevisionTags;
  readonly mesh: () => MeshSettings;
  readonly status: StatusWriter;
  readonly authority: Authority;
}

/** Running writers. */
export interface Writers {
  /** The mesh configuration changed: it shapes what is deployed, and says which namespaces belong to the mesh. */
  refresh(): void;
  /** Gives all leases up; settles when the writers have stopped. */
  close(): Promise<void>;
}

/** Starts to compete for every duty. */
export function startWriters(parts: WriterParts): Writers {
  const { config, client, cluster, status } = parts;
  const gateways = gatewayDuty(parts);
  const certificates = certificateDuty(parts);
  parts.authority.onChange(() => certificates.refresh());
  const duties: Duty[] = [
    certificates.duty,
    {
      lock: 'istio-status-leader',
      onLead: (signal) => void cluster.synced.then(() => status.lead(cluster.model, signal)),
    },
  ];
  if (config.PILOT_ENABLE_GATEWAY_API_DEPLOYMENT_CONTROLLER) duties.push(gateways.duty);
  if (config.PILOT_ENABLE_IP_AUTOALLOCATE) {
    const ranges = { ipv4: config.PILOT_IP_AUTOALLOCATE_IPV4_PREFIX, ipv6: config.PILOT_IP_AUTOALLOCATE_IPV6_PREFIX };
    duties.push({
      lock: 'istio-ip-autoallocate',
      onLead: (signal) => allocateVips({ client, ranges, log: parts.log.child('addresses'), signal }),
    });
  }
  if (config.PILOT_ENABLE_NODE_UNTAINT_CONTROLLERS) duties.push(untaintDuty(parts));
  const defaultRevision = (): string => parts.tags.facts.defaultRevision;
  const elections = duties.map((duty) => compete({ ...parts, defaultRevision }, duty));
  return {
    refresh() {
      gateways.refresh();
      certificates.refresh();
    },
    async close() {
      await Promise.all(elections.map((election) => election.close()));
    },
  };
}

/** Nodes whose agent is ready lose the taint that keeps pods away. */
function untaintDuty({ config, client, log }: WriterParts): Duty {
  const namespace = config.PILOT_NODE_UNTAINT_CONTROLLERS_CNI_NAMESPACE || config.POD_NAMESPACE;
  const taint = config.PILOT_NODE_UNTAINT_CONTROLLERS_TAINT_NAME;
  return {
    lock: 'istio-node-untaint',
    onLead: (signal) => untaintNodes({ client, namespace, taint, log: log.child('nodes'), signal }),
  };
}

/** Classes and the objects of Gateways: one lease per revision, since revisions deploy for their own Gateways. */
function gatewayDuty(parts: WriterParts): { duty: Duty; refresh: () => void } {
  const { config, client, tags, values } = parts;
  const log = parts.log.child('gateways');
  const features = classFeatures(config);
  let refresh: (() => void) | undefined;
  const lead = (signal: AbortSignal): void => {
    if (config.PILOT_ENABLE_GATEWAY_API_GATEWAYCLASS_CONTROLLER) keepClasses(client, classInfos(features), log, signal);
    // Before all tags are known a Gateway of another revision could be taken for ours.
    void tags.synced.then(() => {
      if (signal.aborted) return;
      const settings = (): RenderSettings => renderSettings(parts);
      const isMine: typeof tags.isMine = (gateway) => tags.isMine(gateway);
      const deployer = deployGateways({ client, settings, features, isMine, log, signal });
      refresh = () => deployer.refresh();
    });
    signal.addEventListener('abort', () => (refresh = undefined));
  };
  tags.onChange(() => refresh?.());
  values.onChange(() => refresh?.());
  const duty: Duty = { lock: 'istio-gateway-deployment', isPerRevision: true, onLead: lead };
  return { duty, refresh: () => refresh?.() };
}

function classFeatures(config: ControlPlaneConfig): ClassFeatures {
  return {
    waypoints: config.PILOT_ENABLE_AMBIENT_WAYPOINTS,
    remoteGateways: config.PILOT_MULTI_NETWORK_DISCOVER_GATEWAY_API,
    eastWest: config.AMBIENT_ENABLE_MULTI_NETWORK,
    defaultClass: config.PILOT_GATEWAY_API_DEFAULT_GATEWAYCLASS_NAME,
    defaultController: config.PILOT_GATEWAY_API_CONTROLLER_NAME,
    deploysGateways: config.AMBIT_DEPLOY_GATEWAYS,
  };
}

function renderSettings({ config, cluster: { model }, values, mesh }: WriterParts): RenderSettings {
  return {
    image: config.AMBIT_PROXY_IMAGE,
    systemNamespace: config.POD_NAMESPACE,
    revision: config.REVISION,
    clusterId: config.CLUSTER_ID,
    domain: config.domain,
    trustDomain: model.options.trustDomain,
    meshId: model.options.meshId,
    network: values.current.network === '' ? model.view().network() : values.current.network,
    proxyConfig: mesh().proxyConfig,
    copiesMetadata: config.PILOT_ENABLE_GATEWAY_API_COPY_LABELS_ANNOTATIONS,
    waypoints: config.PILOT_ENABLE_AMBIENT_WAYPOINTS,
    replacesForeign: config.AMBIT_REPLACE_WAYPOINTS,
    reportsFlows: config.AMBIT_TELEMETRY,
    values: values.current,
  };
}
