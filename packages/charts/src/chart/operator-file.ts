// In: an IstioOperator file (install.istio.io/v1alpha1). Out: the values of an installation; what is not supported is refused by name.
// Pure. Called by the CLI. Source: spec user-tools 6.1.
import { ChartError } from '../errors.ts';
import { copyOf, type Dictionary, isDictionary, overlay } from '../template/values.ts';
import type { InstallationValues } from './installation.ts';

/** What a file asks for. */
export interface OperatorWishes {
  readonly values: InstallationValues;
  readonly namespace?: string;
  /** Charts that the file switches off. */
  readonly disabled: readonly ('base' | 'istiod' | 'cni' | 'ztunnel')[];
}

const refuse = (what: string): ChartError =>
  new ChartError('ERR_CHARTS_OPERATOR', `${what} is not supported in an IstioOperator file`, {
    hint: 'supported: spec.profile, hub, tag, revision, namespace, meshConfig, values and components.{base,pilot,cni,ztunnel}.{enabled,k8s.{resources,env,nodeSelector,tolerations,affinity,replicaCount,podAnnotations,hpaSpec}}',
  });

const components = { base: 'base', pilot: 'istiod', cni: 'cni', ztunnel: 'ztunnel' } as const;
const ignoredGateways = ['ingressGateways', 'egressGateways'];
/** `k8s` settings that have a value of the same meaning. */
const k8sFields = ['resources', 'nodeSelector', 'tolerations', 'affinity', 'replicaCount', 'podAnnotations'];

const dictionary = (value: unknown, what: string): Dictionary => {
  if (value === undefined || value === null) return {};
  if (!isDictionary(value)) throw refuse(`${what} of another form than a map`);
  return value;
};

function envOf(value: unknown): Dictionary {
  const entries = (Array.isArray(value) ? (value as unknown[]) : []).filter(isDictionary);
  if (entries.some(({ valueFrom }) => valueFrom !== undefined)) throw refuse('k8s.env with valueFrom');
  return Object.fromEntries(entries.map(({ name, value: given }) => [String(name), String(given)]));
}

function k8sValues(k8s: Dictionary, component: string): Dictionary {
  const values: Dictionary = {};
  for (const [key, value] of Object.entries(k8s)) {
    if (k8sFields.includes(key)) values[key] = value;
    else if (key === 'env') values['env'] = envOf(value);
    else if (key === 'hpaSpec') {
      const { minReplicas, maxReplicas, ...rest } = dictionary(value, 'hpaSpec');
      if (Object.keys(rest).some((name) => name !== 'scaleTargetRef'))
        throw refuse(`components.${component}.k8s.hpaSpec.${Object.keys(rest).join(', ')}`);
      if (minReplicas !== undefined) values['autoscaleMin'] = minReplicas;
      if (maxReplicas !== undefined) values['autoscaleMax'] = maxReplicas;
    } else throw refuse(`spec.components.${component}.k8s.${key}`);
  }
  return values;
}

/** Gateways of IstioOperator files are not made by an installation here: the chart `gateway`, or a Gateway object, makes them. */
function checkGateways(list: unknown, name: string): void {
  const wanted = (Array.isArray(list) ? (list as unknown[]) : []).filter(
    (one) => isDictionary(one) && one['enabled'] === true,
  );
  if (wanted.length > 0) throw refuse(`spec.components.${name} (use the chart "gateway" or a Gateway object)`);
}

const specFields = [
  'profile',
  'hub',
  'tag',
  'revision',
  'namespace',
  'meshConfig',
  'values',
  'components',
  'compatibilityVersion',
];

/** Translates. Throws ERR_CHARTS_OPERATOR. */
export function operatorWishes(file: unknown): OperatorWishes {
  const document = dictionary(file, 'the file');
  if (document['kind'] !== 'IstioOperator') throw refuse(`kind ${String(document['kind'])}`);
  const spec = dictionary(document['spec'], 'spec');
  const unknown = Object.keys(spec).find((key) => !specFields.includes(key));
  if (unknown !== undefined) throw refuse(`spec.${unknown}`);
  const values = copyOf(dictionary(spec['values'], 'spec.values')) as Dictionary;
  const { profile, hub, tag, revision, namespace, meshConfig } = spec;
  const disabled: (typeof components)[keyof typeof components][] = [];
  for (const [name, settings] of Object.entries(dictionary(spec['components'], 'spec.components'))) {
    if (ignoredGateways.includes(name)) {
      checkGateways(settings, name);
      continue;
    }
    if (!Object.hasOwn(components, name)) throw refuse(`spec.components.${name}`);
    const { enabled, k8s, ...rest } = dictionary(settings, `spec.components.${name}`);
    const odd = Object.keys(rest)[0];
    if (odd !== undefined) throw refuse(`spec.components.${name}.${odd}`);
    if (enabled === false) disabled.push(components[name as keyof typeof components]);
    overlay(values, { [name]: k8sValues(dictionary(k8s, 'k8s'), name) });
  }
  const global = Object.fromEntries(Object.entries({ hub, tag }).filter(([, value]) => value !== undefined));
  overlay(values, {
    ...(Object.keys(global).length === 0 ? {} : { global }),
    ...Object.fromEntries(Object.entries({ profile, revision, meshConfig }).filter(([, value]) => value !== undefined)),
  });
  return { values, disabled, ...(typeof namespace === 'string' ? { namespace } : {}) };
}
