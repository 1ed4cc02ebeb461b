// MeshConfig (the ConfigMap `istio`) and feature switches -> ModelOptions. In: parsed YAML of a user. Out: checked options; what
// cannot be read keeps its default. Called by the control plane, the command line tool and golden tests. Pure.
import type { LabelSelector } from '@ambit/resources';
import { extAuthzOptions } from './ext-authz-options.ts';
import { goBoolean } from './labels.ts';
import { telemetryOptions } from './telemetry-options.ts';
import {
  type AccessLogOptions,
  type ModelOptions,
  modelOptions,
  type PathNormalization,
  type Visibility,
} from './options.ts';

/** What comes from the environment of the control plane. */
export interface MeshEnvironment {
  /** Feature switches by their environment names (spec control-plane 0.3). */
  readonly flags: Readonly<Record<string, string>>;
  readonly clusterId: string;
  readonly revision: string;
  readonly systemNamespace: string;
  readonly domain?: string;
}

type Json = Readonly<Record<string, unknown>>;

/** Options of the translation. */
export function meshConfigOptions(mesh: Json, environment: MeshEnvironment): ModelOptions {
  const { flags, clusterId, revision, systemNamespace, domain = 'cluster.local' } = environment;
  const flag = (name: string, fallback: boolean): boolean => goBoolean(flags[name]) ?? fallback;
  const trustDomain = textOf(mesh['trustDomain']) ?? 'cluster.local';
  return modelOptions({
    clusterId,
    revision,
    systemNamespace,
    domain,
    trustDomain,
    rootNamespace: textOf(mesh['rootNamespace']) ?? systemNamespace,
    trustDomainAliases: listOf(mesh['trustDomainAliases']).filter((alias) => typeof alias === 'string'),
    meshId: textOf(objectOf(mesh['defaultConfig'])['meshId']) ?? trustDomain,
    useAssignedAddresses: flag('PILOT_ENABLE_IP_AUTOALLOCATE', true),
    selectPodsByServiceEntry: flag('PILOT_ENABLE_SERVICEENTRY_SELECT_PODS', true),
    selectWorkloadEntriesByService: flag('PILOT_ENABLE_K8S_SELECT_WORKLOAD_ENTRIES', true),
    autoAllowWaypointPolicy: flag('PILOT_AUTO_ALLOW_WAYPOINT_POLICY', false),
    dryRunPolicies: flag('AMBIENT_ENABLE_DRY_RUN_AUTHORIZATION_POLICY', false),
    multiNetwork: flag('AMBIENT_ENABLE_MULTI_NETWORK', false),
    servesGateways: flag('AMBIT_DEPLOY_GATEWAYS', false),
    accessLog: accessLogOf(mesh),
    pathNormalization: normalizationOf(objectOf(mesh['pathNormalization'])['normalization']),
    extAuthz: extAuthzOptions(listOf(mesh['extensionProviders'])),
    telemetry: telemetryOptions(mesh, flags['PILOT_TRACE_SAMPLING']),
    serviceEntryVisibility: visibilityOf(mesh['serviceEntryVisibility']),
    discoverySelectors: discoverySelectorsOf(mesh),
    globalServiceSelectors: listOf(mesh['serviceScopeConfigs'])
      .map(objectOf)
      .filter((scope) => scope['scope'] === 'GLOBAL')
      .map((scope) => ({
        namespace: scope['namespaceSelector'] as LabelSelector | undefined,
        service: scope['servicesSelector'] as LabelSelector | undefined,
      })),
  });
}

/** One selector that cannot be read makes all of them void, as with upstream: then every namespace is looked at. */
function discoverySelectorsOf(mesh: Json): readonly LabelSelector[] {
  const selectors = listOf(mesh['discoverySelectors']);
  return selectors.every(isLabelSelector) ? selectors : [];
}

const OPERATORS: readonly unknown[] = ['In', 'NotIn', 'Exists', 'DoesNotExist'];

function isLabelSelector(value: unknown): value is LabelSelector {
  if (typeof value !== 'object' || value === null) return false;
  const { matchLabels, matchExpressions = [] } = value as Json;
  return (
    Object.values(objectOf(matchLabels)).every((label) => typeof label === 'string') &&
    Array.isArray(matchExpressions) &&
    matchExpressions
      .map(objectOf)
      .every(
        ({ key, operator, values = [] }) =>
          typeof key === 'string' && OPERATORS.includes(operator) && Array.isArray(values),
      )
  );
}

function accessLogOf(mesh: Json): AccessLogOptions | undefined {
  const path = textOf(mesh['accessLogFile']);
  if (path === undefined) return undefined;
  const encoding = mesh['accessLogEncoding'] === 'JSON' ? 'JSON' : 'TEXT';
  const format = textOf(mesh['accessLogFormat']) ?? '';
  return {
    path,
    encoding,
    textFormat: encoding === 'TEXT' ? format : '',
    jsonFields: encoding === 'JSON' ? fieldsOf(format) : {},
  };
}

/** Fields of a JSON format; a text that is none keeps the default fields. */
function fieldsOf(format: string): Record<string, string> {
  try {
    const fields = Object.entries(objectOf(JSON.parse(format === '' ? '{}' : format)));
    return Object.fromEntries(fields.filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
  } catch {
    return {};
  }
}

const NORMALIZATIONS: readonly PathNormalization[] = ['NONE', 'BASE', 'MERGE_SLASHES', 'DECODE_AND_MERGE_SLASHES'];
const normalizationOf = (value: unknown): PathNormalization => NORMALIZATIONS.find((n) => n === value) ?? 'DEFAULT';

function visibilityOf(given: unknown): ModelOptions['serviceEntryVisibility'] {
  if (typeof given !== 'object' || given === null) return undefined;
  const settings = given as Json;
  return {
    defaultVisibility: visibility(settings['defaultVisibility']),
    policies: listOf(settings['policies'])
      .map(objectOf)
      .map((policy) => ({
        visibility: visibility(policy['visibility']),
        namespaceSelectors: listOf(policy['matchingRules']).map(
          (rule) => objectOf(rule)['namespaceSelector'] as LabelSelector | undefined,
        ),
      })),
  };
}

function visibility(value: unknown): Visibility {
  return value === 'NONE' || value === 'NAMESPACE' ? value : 'PUBLIC';
}

const textOf = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const objectOf = (value: unknown): Json => (typeof value === 'object' && value !== null ? (value as Json) : {});
