// Checks of what an installation needs of the cluster: `--pre`. In: a cluster. Out: findings. Called by run.ts.
import { codeOf } from '@ambit/runtime/errors';
import type { OpenedCluster } from '../cluster/open.ts';
import { kinds } from '../cluster/kinds.ts';
import { nameOf, statusOf } from '../cluster/object-fields.ts';
import { minorOf } from '../version/versions.ts';
import type { Finding } from './finding.ts';

/** One check: a category of findings. */
export type Check = (api: OpenedCluster) => Promise<readonly Finding[]>;

/** The oldest Kubernetes that is supported. */
const oldestMinor = 32;

const kubernetesVersion: Check = async (api) => {
  const version = await api.version();
  const parsed = minorOf(version);
  const isNew = parsed === undefined || parsed.major > 1 || parsed.minor >= oldestMinor;
  return [
    { category: 'kubernetes-api', state: 'ok', text: `reachable at ${api.server}` },
    isNew
      ? { category: 'kubernetes-version', state: 'ok', text: `version ${version}` }
      : {
          category: 'kubernetes-version',
          state: 'failed',
          text: `version ${version} is older than 1.${oldestMinor}`,
          hint: 'upgrade the cluster first',
        },
  ];
};

const installs = [
  { group: '', resource: 'namespaces' },
  { group: 'apps', resource: 'deployments' },
  { group: 'apps', resource: 'daemonsets' },
  { group: 'rbac.authorization.k8s.io', resource: 'clusterroles' },
  { group: 'rbac.authorization.k8s.io', resource: 'clusterrolebindings' },
  { group: 'apiextensions.k8s.io', resource: 'customresourcedefinitions' },
  { group: 'admissionregistration.k8s.io', resource: 'validatingwebhookconfigurations' },
];

const unless404 = (error: unknown): undefined => {
  if (codeOf(error) !== 'ERR_KUBE_NOT_FOUND') throw error;
};

/** Whether one may create what an installation consists of; `allowed` is undefined where the server does not say. Pure. */
export function rightsFinding(
  answers: readonly { readonly resource: string; readonly allowed: boolean | undefined }[],
): Finding {
  if (answers.some(({ allowed }) => allowed === undefined))
    return { category: 'rbac', state: 'warning', text: 'the API server does not say what one may do' };
  const missing = answers.filter(({ allowed }) => allowed !== true).map(({ resource }) => resource);
  return missing.length === 0
    ? { category: 'rbac', state: 'ok', text: 'may create everything that an installation consists of' }
    : {
        category: 'rbac',
        state: 'failed',
        text: `may not create ${missing.join(', ')}`,
        hint: 'install with a role of cluster-admin',
      };
}

const rbac: Check = async (api) => [
  rightsFinding(
    await Promise.all(
      installs.map(async (wish) => ({
        ...wish,
        allowed: await api.canI({ ...wish, verb: 'create' }).catch(unless404),
      })),
    ),
  ),
];

const bundleAnnotation = 'gateway.networking.k8s.io/bundle-version';
/** Definitions and the lowest bundle that the control plane watches; undefined = any (spec control-plane 7.1). */
const gatewayKinds: readonly (readonly [string, readonly number[] | undefined])[] = [
  ['gateways', undefined],
  ['httproutes', undefined],
  ['grpcroutes', [1, 1]],
  ['tlsroutes', [1, 5]],
  ['tcproutes', [1, 6]],
];
const needed = ['gateways', 'httproutes'];

/** `isBefore`: before an installation, which brings what is missing. */
const gatewayDefinitions =
  (isBefore: boolean): Check =>
  async (api) =>
    (
      await Promise.all(
        gatewayKinds.map(async ([plural, lowest]): Promise<readonly Finding[]> => {
          const name = `${plural}.gateway.networking.k8s.io`;
          const definition = await api.get({ ...kinds.definition, name });
          const category = 'gateway-api-crds';
          if (definition === undefined)
            return needed.includes(plural)
              ? [
                  {
                    category,
                    state: isBefore ? 'ok' : 'failed',
                    ...(isBefore
                      ? { text: `definition ${name} is not there yet: ambit install brings it, charts do not` }
                      : {
                          text: `definition ${name} is missing: no waypoint can be made`,
                          hint: 'ambit install, or apply the Gateway API bundle',
                        }),
                  },
                ]
              : [];
          const bundle = definition.metadata?.annotations?.[bundleAnnotation];
          const version = minorOf(bundle ?? '');
          const [major = 0, minor = 0] = lowest ?? [];
          const isOld =
            lowest !== undefined &&
            (version === undefined || version.major < major || (version.major === major && version.minor < minor));
          return [
            isOld
              ? {
                  category,
                  state: 'warning',
                  text: `definition ${name} is of bundle ${bundle ?? 'unknown'} and not watched: ${major}.${minor} is needed`,
                  hint: 'apply a newer Gateway API bundle',
                }
              : {
                  category,
                  state: 'ok',
                  text: `definition ${name} is there${bundle === undefined ? '' : ` (bundle ${bundle})`}`,
                },
          ];
        }),
      )
    ).flat();

const cniPaths: Check = async (api) => {
  const { detectPlatform } = await import('../install/platform.ts');
  const nodes = await api.list(kinds.node);
  const platform = detectPlatform(nodes);
  const systems = new Set(
    nodes.map(
      (node) => (statusOf(node)['nodeInfo'] as { operatingSystem?: string } | undefined)?.operatingSystem ?? 'linux',
    ),
  );
  const other = nodes.filter(
    (node) =>
      !['linux', undefined].includes(
        (statusOf(node)['nodeInfo'] as { operatingSystem?: string } | undefined)?.operatingSystem,
      ),
  );
  return [
    {
      category: 'cni-paths',
      state: 'ok',
      text: `${nodes.length} nodes, platform ${platform.name}: plugins in ${platform.cniBinDir}, settings in ${platform.cniConfDir}`,
    },
    ...(systems.size > 1
      ? [
          {
            category: 'cni-paths',
            state: 'warning' as const,
            text: `nodes without Linux stay outside the mesh: ${other.map(nameOf).join(', ')}`,
          },
        ]
      : []),
  ];
};

/** What an earlier installation left. */
export const leftovers: Check = async (api) => {
  const injectors = (await api.list(kinds.mutatingWebhook)).filter(
    (one) => one.metadata?.labels?.['app'] === 'sidecar-injector',
  );
  const deployments = await api.list(kinds.deployment, { namespace: api.istioNamespace, labelSelector: 'app=istiod' });
  if (deployments.length > 0)
    return [
      {
        category: 'leftovers',
        state: 'warning',
        text: `a control plane exists already: ${deployments.map(nameOf).join(', ')}`,
        hint: 'ambit upgrade, or install --revision',
      },
    ];
  return injectors.length === 0
    ? [{ category: 'leftovers', state: 'ok', text: 'no earlier installation' }]
    : [
        {
          category: 'leftovers',
          state: 'failed',
          text: `webhook configurations without a control plane: ${injectors.map(nameOf).join(', ')}`,
          hint: 'ambit uninstall --purge',
        },
      ];
};

/** In the order in which they are printed. */
export const clusterChecks: readonly Check[] = [kubernetesVersion, rbac, gatewayDefinitions(false), cniPaths];

/** Only before an installation. */
export const preChecks: readonly Check[] = [kubernetesVersion, rbac, gatewayDefinitions(true), cniPaths, leftovers];
