// Settings of the mesh that change the translation. In: mesh configuration and feature switches. Called by the control plane,
// the command line tool and tests, which build one frozen value of it.
import type { LabelSelector } from '@ambit/resources';
import type { ExtAuthzOptions } from './ext-authz-options.ts';
import type { TelemetryOptions } from './telemetry-options.ts';

/** Who may see a ServiceEntry (spec control-plane 2.9.2). */
export type Visibility = 'NONE' | 'NAMESPACE' | 'PUBLIC';

/** One rule list that gives matching ServiceEntries a visibility; the first match wins. */
export interface VisibilityPolicy {
  readonly visibility: Visibility;
  /** Selectors on the namespace's labels; all must match, none at all matches everything. `undefined` never matches. */
  readonly namespaceSelectors: readonly (LabelSelector | undefined)[];
}

/** Access log of the mesh; undefined writes none. */
export interface AccessLogOptions {
  readonly path: string;
  readonly encoding: 'TEXT' | 'JSON';
  /** Empty = the default format. */
  readonly textFormat: string;
  /** Empty = the default fields. */
  readonly jsonFields: Readonly<Record<string, string>>;
}

/** `pathNormalization.normalization` of the mesh configuration. */
export type PathNormalization = 'DEFAULT' | 'NONE' | 'BASE' | 'MERGE_SLASHES' | 'DECODE_AND_MERGE_SLASHES';

/** Everything outside of Kubernetes objects that the translation depends on. */
export interface ModelOptions {
  readonly clusterId: string;
  readonly rootNamespace: string;
  /** Where the control plane runs; its labels name the network. */
  readonly systemNamespace: string;
  readonly domain: string;
  readonly trustDomain: string;
  readonly trustDomainAliases: readonly string[];
  /** Empty takes every revision. */
  readonly revision: string;
  readonly meshId: string;
  readonly selectPodsByServiceEntry: boolean;
  /** Whether addresses in the status of a ServiceEntry count. */
  readonly useAssignedAddresses: boolean;
  readonly selectWorkloadEntriesByService: boolean;
  readonly autoAllowWaypointPolicy: boolean;
  readonly dryRunPolicies: boolean;
  readonly multiNetwork: boolean;
  /** Whether somebody serves ingress and east-west Gateways; without it their statuses say that nobody does. */
  readonly servesGateways: boolean;
  readonly accessLog: AccessLogOptions | undefined;
  readonly pathNormalization: PathNormalization;
  /** Who can be asked by policies of action CUSTOM. */
  readonly extAuthz: readonly ExtAuthzOptions[];
  /** Who can be named by Telemetries, and what holds without any. */
  readonly telemetry: TelemetryOptions;
  readonly serviceEntryVisibility:
    | { readonly defaultVisibility: Visibility; readonly policies: readonly VisibilityPolicy[] }
    | undefined;
  /** Only namespaces that one of these matches are looked at; empty looks at all. */
  readonly discoverySelectors: readonly LabelSelector[];
  /** Selector pairs of `serviceScopeConfigs` with scope GLOBAL. */
  readonly globalServiceSelectors: readonly {
    readonly namespace: LabelSelector | undefined;
    readonly service: LabelSelector | undefined;
  }[];
}

const defaults: ModelOptions = {
  clusterId: 'Kubernetes',
  rootNamespace: 'istio-system',
  systemNamespace: 'istio-system',
  domain: 'cluster.local',
  trustDomain: 'cluster.local',
  trustDomainAliases: [],
  revision: '',
  meshId: 'cluster.local',
  selectPodsByServiceEntry: true,
  useAssignedAddresses: true,
  selectWorkloadEntriesByService: true,
  autoAllowWaypointPolicy: false,
  dryRunPolicies: false,
  multiNetwork: false,
  servesGateways: false,
  accessLog: undefined,
  pathNormalization: 'DEFAULT',
  extAuthz: [],
  telemetry: { tracing: [], fileLogs: [], otlpLogs: [], samplingPercent: 1 },
  serviceEntryVisibility: undefined,
  discoverySelectors: [],
  globalServiceSelectors: [],
};

/** Completes given settings with upstream's defaults. The result is frozen. */
export function modelOptions(given: Partial<ModelOptions> = {}): ModelOptions {
  return Object.freeze({ ...defaults, ...given });
}
