// In: a kubeconfig. Out: ClusterApi over @ambit/kube. Loaded only by commands that need a cluster. Called by open.ts and the demo.
import { askPod, createRestClient, type Impersonation, kubeconfigAccess, KubeError, openPodPort } from '@ambit/kube';
import { type KindName, kindNamesOf } from '@ambit/resources/kind-table';
import { CliError } from '../errors.ts';
import type { ClusterApi, KindRef } from './cluster-api.ts';

function kindName(ref: KindRef): KindName {
  const info = kindNamesOf(ref);
  if (info === undefined)
    throw new CliError('ERR_CLI_INVALID', `kind ${ref.kind} of ${ref.apiVersion} is not known here`);
  return info.kind as KindName;
}

/** Connects; whether the server answers shows with the first request. */
export async function connectCluster(
  kubeconfig: string,
  context: string | undefined,
  impersonate: Impersonation = {},
): Promise<ClusterApi> {
  const access = await kubeconfigAccess(kubeconfig, context, impersonate);
  const client = createRestClient(access, { userAgent: 'ambit' });
  return {
    server: access.server,
    contextNamespace: access.namespace,
    get: async (ref) => client.get({ ...ref, kind: kindName(ref) }),
    list: async (kind, options = {}) => {
      try {
        return (await client.list(kindName(kind), options)).items;
      } catch (error) {
        if (KubeError.is(error, 'ERR_KUBE_NOT_FOUND')) return [];
        throw error;
      }
    },
    apply: async (object) => client.apply(object, { fieldManager: 'ambit' }),
    patch: async (ref, patch) =>
      client.patch({ ...ref, kind: kindName(ref) }, patch, { type: 'merge', fieldManager: 'ambit' }),
    patchJson: async (ref, patch) =>
      client.patch({ ...ref, kind: kindName(ref) }, patch, { type: 'json', fieldManager: 'ambit' }),
    delete: async (ref, options) => client.delete({ ...ref, kind: kindName(ref) }, options),
    podLog: async ({ namespace, name, container, sinceSeconds, previous }) => {
      const query = new URLSearchParams({
        ...(container === undefined ? {} : { container }),
        ...(previous === true ? { previous: 'true' } : {}),
        ...(sinceSeconds === undefined ? {} : { sinceSeconds: String(sinceSeconds) }),
      });
      return client.text(
        `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}/log?${query.toString()}`,
      );
    },
    followLog: ({ namespace, name }, signal) =>
      client.lines(
        `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}/log?follow=true&sinceSeconds=1`,
        signal,
      ),
    askPod: async (request) => askPod(access, request),
    openPod: async (target) => openPodPort(access, target),
    token: async () => {
      const { headers } = await access.credentials();
      const { authorization = headers['Authorization'] ?? '', 'Impersonate-User': actsAs } = headers;
      const [scheme, token = ''] = authorization.split(' ');
      return actsAs === undefined && scheme === 'Bearer' && token !== '' ? token : undefined;
    },
    requestToken: async (request) => client.requestToken(request),
    canI: async (wish) => client.canI(wish),
    text: async (path) => client.text(path),
    close: () => client.close(),
    version: async () => (JSON.parse(await client.text('/version')) as { gitVersion?: string }).gitVersion ?? 'unknown',
  };
}
