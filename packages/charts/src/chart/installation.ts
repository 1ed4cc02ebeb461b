// In: the values of an installation, as one tree. Out: the objects of all its charts. Called by the CLI, the demo and tests.
import type { KubernetesObject } from '@ambit/resources';
import { ChartError } from '../errors.ts';
import { copyOf, type Dictionary, isDictionary } from '../template/values.ts';
import { type ChartName, componentCharts, valueRoots, valueSchemas } from '../values/index.ts';
import { type IdleValue, idleValues } from './check-values.ts';
import { renderChart } from './render.ts';

/** Release names by habit. */
export const releaseNames: Readonly<Record<(typeof componentCharts)[number], string>> = {
  base: 'istio-base',
  istiod: 'istiod',
  cni: 'istio-cni',
  ztunnel: 'ztunnel',
};

/** Values of an installation: what all charts share at the root, what belongs to one chart under `base`, `pilot`, `cni` or `ztunnel`. */
export type InstallationValues = Dictionary;

/** What to render. */
export interface Installation {
  readonly namespace: string;
  readonly values?: InstallationValues;
  /** Default: all. */
  readonly charts?: readonly (typeof componentCharts)[number][];
}

/** Fields at the root that go to every chart that knows them. */
const shared = [
  'global',
  'profile',
  'revision',
  'revisionTags',
  'meshConfig',
  'meshNetworks',
  'ownerName',
  'gatewayClasses',
  'telemetry',
  'experimental',
  'sidecarInjectorWebhook',
  'istiodRemote',
  'defaultRevision',
  'compatibilityVersion',
];

/** Roots of charts that existing files may also have, without effect here. */
const elsewhere = ['gateways', 'ingressGateways', 'egressGateways'];

const rootsOf = (): readonly string[] => Object.values(valueRoots);

/** The values of one chart, out of the tree of an installation. Pure. */
export function valuesOfChart(chart: ChartName, values: InstallationValues): Dictionary {
  const { properties } = valueSchemas[chart];
  const root = valueRoots[chart];
  return Object.fromEntries(
    Object.entries(values).filter(([key]) => key === root || (shared.includes(key) && Object.hasOwn(properties, key))),
  );
}

/** The values of an installation that were set and have no effect, each once; for a warning. Pure. */
export function idleInstallationValues(values: InstallationValues): readonly IdleValue[] {
  const found = new Map<string, IdleValue>();
  for (const key of elsewhere.filter((name) => Object.hasOwn(values, name)))
    found.set(key, { path: key, description: 'Gateways are objects of their own, or the chart gateway.' });
  for (const chart of componentCharts)
    for (const idle of idleValues(chart, valuesOfChart(chart, values))) found.set(idle.path, idle);
  return [...found.values()];
}

/** Throws ERR_CHARTS_VALUES when the tree has something that belongs to no chart. */
function checkRoots(values: InstallationValues): void {
  const unknown = Object.keys(values).filter(
    (key) => !shared.includes(key) && !rootsOf().includes(key) && !elsewhere.includes(key),
  );
  if (unknown.length === 0) return;
  throw new ChartError('ERR_CHARTS_VALUES', `${unknown.join(', ')}: no chart has a value of this name`, {
    hint: `at the root: ${shared.join(', ')}; the rest under ${rootsOf().join(', ')}`,
  });
}

/** The namespace goes into the values, because the charts name the control plane by it. */
function withNamespace(values: InstallationValues, namespace: string): InstallationValues {
  const copy = copyOf(values) as Dictionary;
  const global = isDictionary(copy['global']) ? copy['global'] : {};
  return { ...copy, global: { istioNamespace: namespace, ...global } };
}

/**
 * Objects of an installation, chart by chart, each in the order in which it can be applied. The namespace itself is the caller's.
 * Throws ERR_CHARTS_VALUES and ERR_CHARTS_REFUSED.
 */
export function renderInstallation({
  namespace,
  values = {},
  charts = componentCharts,
}: Installation): readonly KubernetesObject[] {
  checkRoots(values);
  const placed = withNamespace(values, namespace);
  return charts.flatMap((chart) =>
    renderChart(chart, { name: releaseNames[chart], namespace }, valuesOfChart(chart, placed)),
  );
}
