// The only file that constructs. In: configuration and a Kubernetes client. Out: a running control plane.
// Order: mesh configuration, CA, caches, servers, readiness, leadership; the end goes the other way. Main thread.
import type { Server } from '@grpc/grpc-js';
import {
  type CaResult,
  createCaService,
  issueLocally,
  MAX_LEAF_TTL_MS,
  type WorkloadCertificate,
} from '@ambit/identity';
import type { KubeClient } from '@ambit/kube';
import { createAdminServer } from '@ambit/runtime/admin';
import { explain } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import type { MetricsRegistry } from '@ambit/runtime/metrics';
import { createXdsServer, XdsError, type XdsServer } from '@ambit/xds/server';
import { createFlowHub, mountTelemetry, type TelemetryService } from '@ambit/xds/telemetry';
import { answerOverXds } from './admin/debug-over-xds.ts';
import { debugPages } from './admin/debug-pages.ts';
import { monitoringRoutes, readinessRoutes } from './admin/routes.ts';
import { impersonationRefusal } from './ca/impersonation.ts';
import type { Authority } from './ca/authority-keeper.ts';
import { clientVerifier, openAuthority } from './ca/open-authority.ts';
import { type Authenticator, type Caller, createAuthenticator } from './clients/authenticate.ts';
import { authorizeClient, GATEWAY_NAME, gatewayOf } from './clients/authorize.ts';
import type { ControlPlaneConfig } from './config.ts';
import { ledClusters } from './led-clusters.ts';
import { type ConnectionLimits, type GrpcListener, listenGrpc } from './listen.ts';
import { keepSessionKeys } from './snapshot/session-keys.ts';
import { createSnapshot } from './snapshot/sources.ts';
import { watchChartValues } from './sources/chart-values.ts';
import { type ClusterState, watchCluster } from './sources/cluster-state.ts';
import { openKubeconfigFolder } from './sources/kubeconfig-folder.ts';
import { meshConfigName, type MeshSettings, meshTextOf, settingsOf, watchMeshConfig } from './sources/mesh-config.ts';
import { watchGatewayParameters } from './sources/gateway-parameters.ts';
import { PodIndex } from './sources/pod-index.ts';
import { connectRemote, watchRemoteClusters } from './sources/remote-clusters.ts';
import type { RemoteClient } from './sources/remote-connection.ts';
import { type OpenKubeconfigs, openRemoteSecrets } from './sources/remote-secrets.ts';
import { watchRevisionTags } from './sources/revision-tags.ts';
import { createForeignWaypoints } from './status/foreign-waypoints.ts';
import { createStatusWriter } from './status/writer.ts';
import { flowAccess } from './telemetry/flow-access.ts';
import { countCalls } from './telemetry/grpc-series.ts';
import { registerMetrics } from './telemetry/metrics.ts';
import { keepWebhooks } from './webhooks/configuration.ts';
import { VERSION_TEXT } from './version.ts';
import { keepServing } from './ca/serving-certificate.ts';
import { listenWebhook } from './webhooks/server.ts';
import { startWriters, type Writers } from './writers.ts';

/** What the app is made of from outside. */
export interface AppParts {
  readonly config: ControlPlaneConfig;
  readonly client: KubeClient;
  /** Of the cluster whose Secrets name other clusters, where that is another one. */
  readonly secretsClient?: KubeClient | undefined;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
  /** Ports that differ from upstream's; 0 = any free one. */
  readonly ports?: Partial<Ports>;
  /** How a remote cluster is reached by the kubeconfig in its Secret; default over HTTPS. */
  readonly connectRemote?: (kubeconfig: string) => RemoteClient;
}

/** Ports of a control plane. */
export interface Ports {
  /** xDS without TLS, 15010. */
  readonly plaintext: number;
  /** xDS and CA over TLS, 15012. */
  readonly tls: number;
  /** Metrics and debug, 15014. */
  readonly monitoring: number;
  /** Readiness, 8080. */
  readonly readiness: number;
  /** Admission, 15017; any free one when others are chosen and this one is not. */
  readonly webhook: number;
}

/** A running control plane. */
export interface ControlPlane {
  readonly cluster: ClusterState;
  readonly xds: XdsServer;
  /** Every trusted root, as clients need it. */
  readonly rootPem: string;
  /** Ports as bound. */
  readonly ports: Ports;
  readonly isReady: boolean;
  /** Ends streams, gives leadership up, closes ports. Idempotent. */
  close(): Promise<void>;
}

const PORTS: Ports = { plaintext: 15010, tls: 15012, monitoring: 15014, readiness: 8080, webhook: 15017 };
/** Changes in one batch up to which clients are told at once. */
const SMALL_BATCH = 20;

/** Starts the control plane; resolves when its ports are open. Readiness comes when the caches are synced. */
export async function startControlPlane(parts: AppParts): Promise<ControlPlane> {
  const { config, client, log, metrics, ports } = parts;
  // When something fails on the way, what was started is ended again.
  await using stack = new AsyncDisposableStack();
  let mesh = await initialSettings(client, config, log);
  const { options } = mesh;
  const { authority, onMesh } = await openAuthority({ client, config, mesh, log, stack });

  const series = registerMetrics(metrics, {
    flows: () => flows.counts,
    version: VERSION_TEXT.version,
    rootPem: () => authority.rootPem,
    chainPem: () => authority.chainPem,
    connections: () => xds.connections,
    services: () => cluster.model.count('Service') + cluster.model.count('ServiceEntry'),
    virtualServices: () => cluster.model.count('VirtualService'),
  });
  const cluster = watchCluster(client, options, log, (ms) => series.onTranslated(ms));
  stack.defer(() => cluster.close());
  const pods = new PodIndex();
  const led = ledClusters({ config, authority, mesh: () => mesh, log: log.child('clusters') });
  authority.onChange(() => led.refresh());
  const remotes = watchRemoteClusters({
    open: kubeconfigs(parts),
    ownId: config.CLUSTER_ID,
    cluster,
    connect: parts.connectRemote ?? connectRemote,
    timeoutMs: config.PILOT_REMOTE_CLUSTER_TIMEOUT,
    events: series.remote,
    lead: config.EXTERNAL_ISTIOD ? (id, remote) => led.open(id, remote) : undefined,
    log: log.child('clusters'),
  });
  stack.defer(() => remotes.close());
  const podsOf = (id: string): PodIndex | undefined => (id === config.CLUSTER_ID ? pods : remotes.get(id)?.pods);
  const sessions = keepSessionKeys({ client, namespace: config.POD_NAMESPACE, log: log.child('sessions') });
  stack.defer(() => sessions.close());
  const snapshot = createSnapshot(() => cluster.model, sessions);
  const status = createStatusWriter({
    client,
    workers: config.PILOT_STATUS_MAX_WORKERS,
    writesConditions: config.AMBIENT_ENABLE_STATUS,
    writesGatewayStatus: config.PILOT_ENABLE_GATEWAY_API_STATUS,
    log: log.child('status'),
  });
  const trustDomain = (): string => cluster.model.options.trustDomain;
  const authenticator = createAuthenticator({
    client,
    clusterId: config.CLUSTER_ID,
    remoteClient: (id) => remotes.get(id)?.client,
    audiences: config.TOKEN_AUDIENCES,
    trustDomain,
    verifyCertificate: clientVerifier(authority),
    jwtRule: config.jwtRule,
    trustedGateways: config.trustedGateways,
    log: log.child('auth'),
  });
  const isReady = (): boolean => cluster.isSynced && remotes.isSettled;
  const foreign = createForeignWaypoints(client, () => cluster.model, log.child('gateways'));

  const xds = createXdsServer({
    sources: snapshot.sources,
    isReady,
    log: log.child('ads'),
    events: series.xds,
    debounceMs: config.PILOT_DEBOUNCE_AFTER,
    debounceMaxMs: config.PILOT_DEBOUNCE_MAX,
    maxStreamsPerSecond: config.streamsPerSecond,
    authenticate: async ({ isTls, header, peer, peerCertificate }) => {
      // The plaintext port has no authentication, as upstream's (spec control-plane 0.2).
      if (!isTls || !config.XDS_AUTH) return undefined;
      const caller = await authenticator.authenticate({
        authorization: header('authorization'),
        peer,
        certificate: peerCertificate?.raw,
        clusterId: header('clusterid'),
        forwarded: header('x-forwarded-client-cert'),
      });
      if (caller === undefined) throw new XdsError('ERR_XDS_UNAUTHENTICATED', 'authentication failure');
      return { identities: caller.identities, details: { podName: caller.podName, podUid: caller.podUid } };
    },
    authorize: (node, identity) => {
      try {
        authorizeClient(node, identity, config.PILOT_ENABLE_XDS_IDENTITY_CHECK);
      } catch (error) {
        const isForeign = XdsError.is(error) && error.code === 'ERR_XDS_UNSUPPORTED_CLIENT';
        if (isForeign && node.type === 'waypoint') foreign.refused(gatewayOf(cluster.model, node), explain(error));
        throw error;
      }
      if (node.type === 'waypoint') foreign.served(gatewayOf(cluster.model, node));
    },
    debug: answerOverXds({
      pages: () => pages,
      xds: () => xds,
      systemNamespace: config.POD_NAMESPACE,
      podName: config.POD_NAME,
    }),
  });
  const pages = debugPages({
    cluster,
    xds,
    clusters: () => [
      { id: config.CLUSTER_ID, secretName: '', syncStatus: cluster.isSynced ? 'synced' : 'syncing' },
      ...remotes.infos(),
    ],
  });
  const flows = createFlowHub((where, count) => series.onLostFlows(where, count));
  cluster.onChange((changes, diff) => {
    pods.apply(changes);
    series.onChanges(changes);
    series.onDiff(diff);
    snapshot.announce(diff);
    // One pod more or less is told at once; a storm waits for quiet.
    if (changes.length <= SMALL_BATCH && cluster.isSynced) xds.flush();
    if (diff === undefined) status.onNewModel(cluster.model);
    else status.onDiff(diff);
  });
  const parameters = watchGatewayParameters(client, cluster, log);
  stack.defer(() => parameters.close());
  const values = watchChartValues(client, config.POD_NAMESPACE, config.REVISION, log);
  stack.defer(() => values.close());
  const tags = watchRevisionTags(client, config.REVISION, config.POD_NAMESPACE, log);
  stack.defer(() => tags.close());
  let writers: Writers | undefined;
  const meshConfig = watchMeshConfig(client, config, mesh, log, (next) => {
    const isTranslationSame = JSON.stringify(next.options) === JSON.stringify(mesh.options);
    mesh = next;
    onMesh(next);
    if (!isTranslationSame) cluster.setOptions(next.options);
    writers?.refresh();
    led.refresh();
  });
  stack.defer(() => meshConfig.close());

  const names = servingNames(config);
  const servingTtlMs = Math.min(MAX_LEAF_TTL_MS, config.MAX_WORKLOAD_CERT_TTL);
  const issueServing = async (): Promise<WorkloadCertificate> =>
    authority.serving ?? issueLocally(authority.signer, names, servingTtlMs);
  const certificate = await issueServing();
  const wanted = { ...PORTS, ...(ports && { webhook: 0 }), ...ports };
  const host = config.AMBIT_LISTEN_HOST;
  const ca = caService(
    authority,
    authenticator,
    podsOf,
    config,
    () => [trustDomain(), ...cluster.model.options.trustDomainAliases],
    log,
    (result) => series.onCaResult(result),
  );
  const limits: ConnectionLimits = {
    maxConnectionAgeMs: config.maxConnectionAgeMs,
    maxMessageBytes: config.ISTIO_GPRC_MAXRECVMSGSIZE,
    maxStreams: config.ISTIO_GPRC_MAXSTREAMS,
    countCalls: countCalls(metrics),
  };
  const mountPlain = (server: Server): void => xds.mount(server, { isTls: false });
  const flowRules = flowAccess({
    client,
    authenticator,
    trustedAccounts: new Set(config.CA_TRUSTED_NODE_ACCOUNTS),
    servesGateway: (namespace, name) =>
      cluster.model.object('Pod', `${namespace}/${name}`)?.metadata?.labels?.[GATEWAY_NAME] !== undefined,
    log: log.child('telemetry'),
  });
  let telemetry: TelemetryService | undefined;
  const mountSecure = (server: Server): void => {
    xds.mount(server);
    if (config.AMBIT_TELEMETRY)
      telemetry = mountTelemetry(server, { hub: flows, ...flowRules, log: log.child('telemetry') });
    if (config.ENABLE_CA_SERVER) server.addService(ca.definition, ca.implementation);
  };
  const plaintext = await listenGrpc(host, wanted.plaintext, undefined, mountPlain, limits);
  stack.defer(() => closeListener(plaintext));
  const tls = await listenGrpc(host, wanted.tls, certificate, mountSecure, limits);
  stack.defer(() => closeListener(tls));
  stack.defer(() => telemetry?.close());
  stack.defer(() => xds.close());
  const admin = {
    isReady,
    metrics: () => metrics.text(),
    pages,
    systemNamespace: config.POD_NAMESPACE,
    authenticator,
    servesDebug: config.ENABLE_DEBUG_ON_HTTP,
    checksDebug: config.ENABLE_DEBUG_ENDPOINT_AUTH,
  };
  const readiness = createAdminServer({ routes: readinessRoutes(admin), log });
  const monitoring = createAdminServer({ routes: monitoringRoutes(admin), log });
  const readinessAddress = await readiness.listen({ host, port: wanted.readiness });
  stack.defer(() => readiness.destroy());
  const monitoringAddress = await monitoring.listen({ host, port: wanted.monitoring });
  stack.defer(() => monitoring.destroy());

  const webhook = await listenWebhook(host, wanted.webhook, certificate, {
    log: log.child('validation'),
    onVerdict: (isAllowed) => series.onValidation(isAllowed),
    onHttpError: (status) => series.onValidationError(status),
    onInjection: (isAsked) => series.onInjection(isAsked),
  });
  stack.defer(() => webhook.destroy());
  const webhooks = keepWebhooks({ config, client, authority, log });
  stack.defer(() => webhooks.close());
  // Last in, first out: leases are given up before anything else ends.
  const serving = keepServing({
    issue: issueServing,
    first: certificate,
    log,
    onNext: (next) => {
      tls.setCertificate(next);
      webhook.setCertificate(next);
    },
  });
  stack.defer(() => serving[Symbol.dispose]());
  authority.onChange(() => {
    serving.renew();
    webhooks.refresh();
  });
  // Started last and ended first: nothing is written by a control plane that does not serve.
  const started = (writers = startWriters({
    config,
    client,
    log,
    cluster,
    values,
    tags,
    mesh: () => mesh,
    status,
    authority,
  }));
  stack.defer(() => started.close());
  log.info('control plane started', { xds: plaintext.port, tls: tls.port });

  const owned = stack.move();
  return {
    cluster,
    xds,
    get rootPem() {
      return authority.rootPem;
    },
    ports: {
      plaintext: plaintext.port,
      tls: tls.port,
      readiness: readinessAddress?.port ?? 0,
      monitoring: monitoringAddress?.port ?? 0,
      webhook: webhook.port,
    },
    get isReady() {
      return isReady();
    },
    close: () => owned.disposeAsync(),
  };
}

/** A folder wins over Secrets, as upstream. */
function kubeconfigs({ config, client, secretsClient, log: parent }: AppParts): OpenKubeconfigs {
  const { PILOT_MULTICLUSTER_KUBECONFIG_PATH: folder, POD_NAMESPACE: namespace } = config;
  const log = parent.child('clusters');
  return folder === ''
    ? openRemoteSecrets({ client: secretsClient ?? client, namespace, log })
    : openKubeconfigFolder({ folder, log });
}

async function initialSettings(client: KubeClient, config: ControlPlaneConfig, log: Logger): Promise<MeshSettings> {
  const name = meshConfigName(config.REVISION);
  const map = await client.get({ kind: 'ConfigMap', namespace: config.POD_NAMESPACE, name });
  const settings = settingsOf(config, meshTextOf(map), log) ?? settingsOf(config, '', log);
  if (settings === undefined) throw new TypeError('the empty mesh configuration is readable');
  return settings;
}

/** DNS names of the control plane, sorted (spec control-plane 5.6). */
function servingNames(config: ControlPlaneConfig): [string, ...string[]] {
  const { REVISION, POD_NAMESPACE, ISTIOD_CUSTOM_HOST } = config;
  const services = ['istiod', 'istiod-remote', 'istio-pilot'];
  if (REVISION !== '' && REVISION !== 'default') services.push(`istiod-${REVISION}`);
  const names = [...services.map((service) => `${service}.${POD_NAMESPACE}.svc`), ...ISTIOD_CUSTOM_HOST];
  const [first = `istiod.${POD_NAMESPACE}.svc`, ...rest] = [...new Set(names)].toSorted();
  return [first, ...rest];
}

function caService(
  authority: Authority,
  authenticator: Authenticator,
  podsOf: (clusterId: string) => PodIndex | undefined,
  config: ControlPlaneConfig,
  trustDomains: () => readonly string[],
  log: Logger,
  onResult: (result: CaResult) => void,
): ReturnType<typeof createCaService<Caller>> {
  const trustedAccounts = new Set(config.CA_TRUSTED_NODE_ACCOUNTS);
  return createCaService<Caller>({
    authority: () => authority.signer,
    authenticate: ({ metadata, peer, peerCertificate }) =>
      authenticator.authenticate({
        authorization: metadata.get('authorization')[0]?.toString(),
        peer,
        certificate: peerCertificate,
        clusterId: metadata.get('clusterid')[0]?.toString(),
        forwarded: metadata.get('x-forwarded-client-cert')[0]?.toString(),
      }),
    impersonationRefusal: (caller, wanted, clusterId) =>
      impersonationRefusal({ podsOf, trustedAccounts, trustDomains }, caller, wanted, clusterId),
    log: log.child('ca'),
    onResult,
  });
}

async function closeListener(listener: GrpcListener): Promise<void> {
  const deadline = setTimeout(() => listener.destroy(), 2_000);
  await listener.close();
  clearTimeout(deadline);
}
