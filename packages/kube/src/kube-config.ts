// In: a kubeconfig file, or the pod's own credentials. Out: where the server is and how to authenticate. The only file that imports
// @kubernetes/client-node, which knows every way of authenticating (tokens, certificates, exec plugins). Called by connection.ts.
import { KubeConfig } from '@kubernetes/client-node';
import type { RequestOptions } from 'node:https';
import { KubeError } from './errors.ts';

/** Where credentials come from. */
export type KubeCredentials =
  | { readonly kind: 'file'; readonly file: string; readonly context?: string }
  /** The service account of the pod; `pathPrefix` is put in front of the mounted paths. */
  | { readonly kind: 'in-cluster'; readonly pathPrefix?: string };

/** A server and how to authenticate there. */
export interface ServerAccess {
  /** `https://host:port` without a trailing slash; a path may follow. */
  readonly server: string;
  /** Namespace of the context, if it names one. */
  readonly namespace: string | undefined;
  /** Trust and credentials for a request, read anew, because tokens rotate and exec plugins expire. */
  readonly credentials: () => Promise<RequestOptions>;
}

function load(from: KubeCredentials): KubeConfig {
  const config = new KubeConfig();
  if (from.kind === 'in-cluster') config.loadFromCluster(from.pathPrefix ?? '');
  else {
    config.loadFromFile(from.file);
    if (from.context !== undefined) config.setCurrentContext(from.context);
  }
  return config;
}

/** Reads credentials. Throws ERR_KUBE_CONFIG. */
export function readAccess(from: KubeCredentials): ServerAccess {
  const what = from.kind === 'file' ? `kubeconfig ${from.file}` : "the pod's service account";
  let config: KubeConfig;
  try {
    config = load(from);
  } catch (cause) {
    throw new KubeError('ERR_KUBE_CONFIG', `${what} cannot be read`, {
      cause,
      hint: 'name another file with --kubeconfig or KUBECONFIG',
    });
  }
  const cluster = config.getCurrentCluster();
  if (cluster === null) {
    throw new KubeError('ERR_KUBE_CONFIG', `${what} has no context "${config.getCurrentContext()}"`, {
      hint: 'kubectl config get-contexts',
    });
  }
  return {
    server: cluster.server.endsWith('/') ? cluster.server.slice(0, -1) : cluster.server,
    namespace: config.getContextObject(config.getCurrentContext())?.namespace,
    credentials: async () => {
      const options: RequestOptions = {};
      await config.applyToHTTPSOptions(options);
      return options;
    },
  };
}
