// In: a reference and a default namespace. Out: the pods it stands for; several kinds of the same name are an error that lists them (CLI-2).
// Called by commands that take a workload.
import type { KubernetesObject } from '@ambit/resources';
import { CliError } from '../errors.ts';
import type { ClusterApi } from './cluster-api.ts';
import { kinds } from './kinds.ts';
import { nameOf, namespaceOf, specOf, statusOf } from './object-fields.ts';
import type { Reference } from './reference.ts';

type Labels = Readonly<Record<string, string>>;

const selectorOf = (object: KubernetesObject): Labels => {
  const { selector } = specOf(object) as { selector?: Labels & { matchLabels?: Labels } };
  return object.kind === 'Service' ? (selector ?? {}) : (selector?.matchLabels ?? {});
};

async function selected(api: ClusterApi, object: KubernetesObject): Promise<readonly KubernetesObject[]> {
  const selector = Object.entries(selectorOf(object));
  if (selector.length === 0) return [];
  const pods = await api.list(kinds.pod, {
    namespace: namespaceOf(object),
    labelSelector: selector.map(([key, value]) => `${key}=${value}`).join(','),
  });
  return pods.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
}

const ipsOf = (pod: KubernetesObject): readonly string[] => {
  const { podIP, podIPs } = statusOf(pod) as { podIP?: string; podIPs?: readonly { readonly ip: string }[] };
  return [...(podIPs ?? []).map(({ ip }) => ip), ...(podIP === undefined ? [] : [podIP])];
};

const notFound = (what: string): CliError =>
  new CliError('ERR_CLI_NOT_FOUND', `${what} does not exist`, { hint: 'kubectl get pods -A' });

const named = {
  pod: kinds.pod,
  deployment: kinds.deployment,
  daemonset: kinds.daemonSet,
  service: kinds.service,
} as const;

async function byKind(
  api: ClusterApi,
  kind: keyof typeof named,
  name: string,
  namespace: string,
): Promise<readonly KubernetesObject[] | undefined> {
  const object = await api.get({ ...named[kind], name, namespace });
  if (object === undefined) return undefined;
  return kind === 'pod' ? [object] : selected(api, object);
}

async function anything(api: ClusterApi, name: string, namespace: string): Promise<readonly KubernetesObject[]> {
  const pod = await byKind(api, 'pod', name, namespace);
  if (pod !== undefined) return pod;
  const found = await Promise.all(
    (['deployment', 'daemonset', 'service'] as const).map(async (kind) => ({
      kind,
      pods: await byKind(api, kind, name, namespace),
    })),
  );
  const present = found.flatMap(({ kind, pods }) => (pods === undefined ? [] : [{ kind, pods }]));
  const [first, ...others] = present;
  if (first === undefined) throw notFound(`"${name}" in namespace ${namespace}`);
  const namesOf = (pods: readonly KubernetesObject[]): string => pods.map(nameOf).join();
  if (others.some(({ pods }) => namesOf(pods) !== namesOf(first.pods)))
    throw new CliError(
      'ERR_CLI_AMBIGUOUS',
      `"${name}" in namespace ${namespace} is several things: ${present.map(({ kind }) => `${kind}/${name}`).join(', ')}`,
      {
        hint: 'write the kind in front, as above',
      },
    );
  return first.pods;
}

/** The pods that a reference stands for, by name. Throws ERR_CLI_NOT_FOUND and ERR_CLI_AMBIGUOUS. */
export async function resolvePods(
  api: ClusterApi,
  reference: Reference,
  defaultNamespace: string,
): Promise<readonly KubernetesObject[]> {
  switch (reference.kind) {
    case 'any':
      return anything(api, reference.name, reference.namespace ?? defaultNamespace);
    case 'pod':
    case 'deployment':
    case 'daemonset':
    case 'service': {
      const namespace = reference.namespace ?? defaultNamespace;
      const pods = await byKind(api, reference.kind, reference.name, namespace);
      if (pods === undefined) throw notFound(`${reference.kind} ${namespace}/${reference.name}`);
      return pods;
    }
    case 'gateway':
      return api.list(kinds.pod, {
        namespace: reference.namespace ?? defaultNamespace,
        labelSelector: `gateway.networking.k8s.io/gateway-name=${reference.name}`,
      });
    case 'serviceaccount': {
      const pods = await api.list(kinds.pod, { namespace: reference.namespace ?? defaultNamespace });
      return pods.filter((pod) => (specOf(pod)['serviceAccountName'] ?? 'default') === reference.name);
    }
    case 'principal': {
      const [, , , , namespace = '', , account = ''] = reference.principal.split('/');
      return resolvePods(api, { kind: 'serviceaccount', name: account, namespace }, defaultNamespace);
    }
    case 'address':
      return (await api.list(kinds.pod)).filter((pod) => ipsOf(pod).includes(reference.ip));
    case 'hostname': {
      const [name = '', namespace = defaultNamespace] = reference.hostname.split('.');
      return resolvePods(api, { kind: 'service', name, namespace }, defaultNamespace);
    }
    case 'node':
      return (await api.list(kinds.pod)).filter((pod) => specOf(pod)['nodeName'] === reference.name);
  }
}
