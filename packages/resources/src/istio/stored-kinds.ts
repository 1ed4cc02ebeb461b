// Kinds of Istio that an API server has to know, so that existing manifests apply, tools find them and the webhook can judge them, and
// that no proxy of ours is configured by. The first level of their fields is typed; what is below is judged by validation alone.
import Type from 'typebox';
import type { KindInfo } from '../kind-info.ts';
import { ObjectMetaSchema } from '../object-meta.ts';
import { integer, Opaque, opaque, text, textMap } from '../schema.ts';
import { IstioStatusSchema, targeting, WorkloadSelectorSchema } from './selection.ts';

const list = Type.Optional(Type.Array(Opaque));
const selector = Type.Optional(WorkloadSelectorSchema);
const { targetRef, targetRefs } = targeting;
const workloadSelector = Type.Optional(Type.Object({ labels: textMap }));

function stored(
  area: 'networking' | 'extensions',
  [version = 'v1', ...otherVersions]: readonly string[],
  kind: string,
  plural: string,
  spec: Parameters<typeof Type.Object>[0],
  extra: Partial<Pick<KindInfo, 'shortNames' | 'columns'>> = {},
): KindInfo {
  return {
    kind,
    group: `${area}.istio.io`,
    version,
    otherVersions,
    plural,
    shortNames: [],
    categories: ['istio-io', `${area}-istio-io`],
    namespaced: true,
    custom: true,
    columns: [],
    schema: Type.Object({
      apiVersion: text,
      kind: text,
      metadata: ObjectMetaSchema,
      spec: Type.Optional(Type.Object(spec)),
      status: Type.Optional(IstioStatusSchema),
    }),
    ...extra,
  };
}

const age = { columns: [{ name: 'Age', type: 'date' as const, jsonPath: '.metadata.creationTimestamp' }] };
const all = ['v1', 'v1alpha3', 'v1beta1'];

/** All of them, in the order of their names. */
export const storedKinds: readonly KindInfo[] = [
  stored('networking', all, 'Gateway', 'gateways', { selector: textMap, servers: list }, { shortNames: ['gw'] }),
  stored('networking', ['v1beta1'], 'ProxyConfig', 'proxyconfigs', {
    selector,
    concurrency: integer,
    environmentVariables: textMap,
    image: opaque,
  }),
  stored('networking', all, 'Sidecar', 'sidecars', {
    workloadSelector,
    ingress: list,
    egress: list,
    inboundConnectionPool: opaque,
    outboundTrafficPolicy: opaque,
  }),
  stored(
    'extensions',
    ['v1alpha1'],
    'TrafficExtension',
    'trafficextensions',
    { selector, targetRefs, phase: text, priority: integer, match: list, wasm: opaque, lua: opaque },
    age,
  ),
  stored(
    'extensions',
    ['v1alpha1'],
    'WasmPlugin',
    'wasmplugins',
    {
      selector,
      targetRef,
      targetRefs,
      url: text,
      sha256: text,
      imagePullPolicy: text,
      imagePullSecret: text,
      verificationKey: text,
      pluginConfig: opaque,
      pluginName: text,
      phase: text,
      priority: integer,
      failStrategy: text,
      vmConfig: opaque,
      match: list,
      type: text,
    },
    age,
  ),
  stored(
    'networking',
    all,
    'WorkloadGroup',
    'workloadgroups',
    { metadata: opaque, template: opaque, probe: opaque },
    { shortNames: ['wg'], ...age },
  ),
];
