// Metrics under upstream's names, so that dashboards and alerts keep working (spec control-plane 9.3). In: the running parts.
// Out: series in the registry. Numbers that can be asked for are asked for at scrape time. Owned by app.ts; main thread.
import { X509Certificate } from 'node:crypto';
import { type CaResult, certificatesOfPem } from '@ambit/identity';
import type { ModelDiff, ObjectChange } from '@ambit/model';
import type { MetricsRegistry } from '@ambit/runtime/metrics';
import type { ServerEvents } from '@ambit/xds/server';
import type { RemoteClusterEvents } from '../sources/remote-clusters.ts';
import type { FlowLoss, HubCounts } from '@ambit/xds/telemetry';
import { createConvergence } from './convergence.ts';
import { remoteClusterEvents } from './remote-clusters.ts';
import { xdsEvents } from './xds-series.ts';

/** Where the numbers come from. */
export interface MetricSources {
  readonly version: string;
  readonly rootPem: () => string;
  /** Certificates between roots and leaves. */
  readonly chainPem: () => string;
  readonly connections: () => number;
  readonly services: () => number;
  readonly virtualServices: () => number;
  readonly flows: () => HubCounts;
}

/** What the app reports as it happens. */
export interface ControlPlaneMetrics {
  onCaResult(result: CaResult): void;
  onDiff(diff: ModelDiff | undefined): void;
  /** A batch of changes was translated, which took so long. */
  onTranslated(ms: number): void;
  /** Objects of the cluster changed. */
  onChanges(changes: readonly ObjectChange[]): void;
  onValidation(isAllowed: boolean): void;
  /** The webhook for validation answered with something else than a verdict. */
  onValidationError(httpStatus: number): void;
  /** A pod that somebody may want to have injected. */
  onInjection(isAsked: boolean): void;
  /** For the remote clusters. */
  readonly remote: RemoteClusterEvents;
  onLostFlows(where: FlowLoss, count: number): void;
  /** For the xDS server. */
  readonly xds: ServerEvents;
}

/** Registers everything. */
export function registerMetrics(registry: MetricsRegistry, sources: MetricSources): ControlPlaneMetrics {
  const { version } = sources;
  const startedAtMs = Date.now();
  const gauge = (name: string, help: string, collect: () => number): void =>
    void registry.gauge({ name, help, collect });
  const counter = (name: string, help: string) => registry.counter({ name, help }).bind({});
  registry
    .gauge({ name: 'pilot_info', help: 'Version of the control plane.', labels: ['version'] })
    .set({ version }, 1);
  registry
    .gauge({ name: 'istio_build', help: 'Component and version.', labels: ['component', 'tag'] })
    .set({ component: 'pilot', tag: version }, 1);
  gauge('istiod_uptime_seconds', 'Age of this process.', () => (Date.now() - startedAtMs) / 1000);
  gauge('pilot_services', 'Services known.', sources.services);
  gauge('pilot_virt_services', 'VirtualServices known.', sources.virtualServices);
  gauge('ambit_xds_connections', 'xDS streams open.', sources.connections);
  const { root, chain } = endsOf(sources);
  const left = (end: () => number) => (): number => end() - Date.now() / 1000;
  gauge('citadel_server_root_cert_expiry_timestamp', 'End of validity of the root, in seconds since 1970.', root);
  gauge('citadel_server_root_cert_expiry_seconds', 'Seconds until the end of validity of the root.', left(root));
  gauge('citadel_server_cert_chain_expiry_timestamp', 'End of validity of what signs, in seconds since 1970.', chain);
  gauge('citadel_server_cert_chain_expiry_seconds', 'Seconds until the end of validity of what signs.', left(chain));
  gauge(
    'ambit_telemetry_reporters',
    'Proxies that would report flows to this replica.',
    () => sources.flows().reporters,
  );
  gauge('ambit_telemetry_watchers', 'Tools that watch flows at this replica.', () => sources.flows().watchers);
  const lostFlows = registry.counter({
    name: 'ambit_telemetry_dropped_total',
    help: 'Flows that a watcher did not get: dropped by a proxy (over the limit, or the stream was slow) or here (a slow watcher).',
    labels: ['reason'],
  });

  const csrs = counter('citadel_server_csr_count', 'Certificate requests.');
  const issued = counter('citadel_server_success_cert_issuance_count', 'Certificates issued.');
  const unauthenticated = counter(
    'citadel_server_authentication_failure_count',
    'Requests of nobody whom we know, or for an identity that the caller may not have.',
  );
  const unreadable = counter('citadel_server_csr_parsing_err_count', 'Requests that cannot be read.');
  const unnamed = counter(
    'citadel_server_id_extraction_err_count',
    'Requests for an identity that cannot be read, or of a caller without any.',
  );
  const signErrors = registry.counter({
    name: 'citadel_server_csr_sign_err_count',
    help: 'Requests that were not signed.',
    labels: ['error'],
  });
  const triggers = registry.counter({ name: 'pilot_push_triggers', help: 'Reasons of pushes.', labels: ['type'] });
  const updates = registry.counter({
    name: 'pilot_inbound_updates',
    help: 'Changes of objects that came in.',
    labels: ['type'],
  });
  // Bound once: a start brings a change per object.
  const updatesBy = {
    eds: updates.bind({ type: 'eds' }),
    svc: updates.bind({ type: 'svc' }),
    svcdelete: updates.bind({ type: 'svcdelete' }),
    config: updates.bind({ type: 'config' }),
  };
  const passed = counter('galley_validation_passed', 'Objects that the webhook accepted.');
  const failed = registry.counter({
    name: 'galley_validation_failed',
    help: 'Objects that the webhook refused.',
    labels: ['reason'],
  });

  const httpErrors = registry.counter({
    name: 'galley_validation_http_error',
    help: 'Answers of the webhook for validation that were no verdict, by HTTP status.',
    labels: ['status'],
  });
  const translations = registry
    .histogram({
      name: 'pilot_pushcontext_init_seconds',
      help: 'Seconds that the translation of a batch of changes took.',
      buckets: [0.01, 0.1, 0.5, 1, 3, 5],
    })
    .bind({});

  const pods = counter('sidecar_injection_requests_total', 'Pods that the webhook for injection was asked about.');
  const skipped = counter(
    'sidecar_injection_skip_total',
    'Pods of them that asked for an injection, which this mesh has not.',
  );

  const convergence = createConvergence(registry);

  return {
    xds: xdsEvents(registry, convergence),
    remote: remoteClusterEvents(registry),
    onCaResult(result) {
      csrs.add();
      if (result === 'issued') issued.add();
      else if (result === 'unauthenticated' || result === 'impersonation') unauthenticated.add();
      else if (result === 'bad-csr') unreadable.add();
      else if (result === 'bad-identity') unnamed.add();
      else signErrors.add({ error: 'INTERNAL' });
    },
    onChanges(changes) {
      for (const change of changes) updatesBy[updateType(change)].add();
    },
    onDiff(diff) {
      const isAmbient = diff !== undefined && diff.addresses.updated.size + diff.addresses.removed.size > 0;
      const isConfig =
        diff !== undefined &&
        diff.authorizations.updated.size + diff.authorizations.removed.size + diff.config.size > 0;
      if (diff === undefined) triggers.add({ type: 'global' });
      if (isAmbient) triggers.add({ type: 'ambient' });
      if (isConfig) triggers.add({ type: 'config' });
      if (diff === undefined || isAmbient || isConfig) convergence.changed();
    },
    onTranslated: (ms) => translations.observe(ms / 1000),
    onValidationError: (httpStatus) => httpErrors.add({ status: String(httpStatus) }),
    onInjection(isAsked) {
      pods.add();
      if (isAsked) skipped.add();
    },
    onLostFlows: (reason, count) => lostFlows.add({ reason }, count),
    onValidation(isAllowed) {
      if (isAllowed) passed.add();
      else failed.add({ reason: 'invalid_resource' });
    },
  };
}

/** Upstream's words for kinds of changes. */
function updateType(change: ObjectChange): 'eds' | 'svc' | 'svcdelete' | 'config' {
  const kind = change.type === 'delete' ? change.kind : change.object.kind;
  if (kind === 'Pod' || kind === 'EndpointSlice') return 'eds';
  if (kind === 'Service') return change.type === 'delete' ? 'svcdelete' : 'svc';
  return 'config';
}

/**
 * When the first root ends (of several, the others are on their way in or out), and the certificate between roots and leaves that ends first:
 * seconds since 1970. Without any such certificate the root signs itself and its end counts for both.
 */
function endsOf({ rootPem, chainPem }: MetricSources): { readonly root: () => number; readonly chain: () => number } {
  const endOf = (certificate: Buffer | string): number => new X509Certificate(certificate).validToDate.getTime() / 1000;
  const root = (): number => endOf(rootPem());
  const chain = (): number => {
    const ends = certificatesOfPem(chainPem()).map(endOf);
    return ends.length === 0 ? root() : Math.min(...ends);
  };
  return { root, chain };
}
