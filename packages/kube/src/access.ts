// How to reach the API server: as a pod of the cluster, or by a kubeconfig. In: settings of the caller. Out: ApiAccess.
// A pod's way is written here because @kubernetes/client-node costs 150 MB of memory and 0.4 s to load (measured); it is loaded
// only for kubeconfigs with authentication plug-ins, which it implements. Main thread.
import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import type { RequestOptions } from 'node:https';
import { delimiter } from 'node:path';
import { KubeError } from './errors.ts';
import { readPlainKubeconfig } from './plain-kubeconfig.ts';
import type { ApiAccess } from './transport.ts';

/** Folder with token, CA and namespace of a pod's service account. */
export const SERVICE_ACCOUNT_FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Settings of {@link inClusterAccess}. */
export interface InClusterOptions {
  /** `KUBERNETES_SERVICE_HOST`. */
  readonly host: string;
  /** `KUBERNETES_SERVICE_PORT`. */
  readonly port: number;
  /** Default {@link SERVICE_ACCOUNT_FOLDER}. */
  readonly folder?: string;
}

const RELOAD_MS = 10_000;

/** Access of a pod: its service account token, read again when the file changes. Throws ERR_KUBE_CONFIG. */
export async function inClusterAccess(options: InClusterOptions): Promise<ApiAccess> {
  const { host, port, folder = SERVICE_ACCOUNT_FOLDER } = options;
  const ca = await read(`${folder}/ca.crt`);
  const token = tokenFile(`${folder}/token`);
  await token();
  return {
    server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    credentials: async () => ({ options: { ca }, headers: { authorization: `Bearer ${await token()}` } }),
  };
}

/** On whose behalf requests are made (kubectl's `--as` and `--as-group`). */
export interface Impersonation {
  readonly user?: string | undefined;
  readonly groups?: readonly string[] | undefined;
}

/** Access by a kubeconfig, with what its context says beside. */
export interface KubeconfigAccess extends ApiAccess {
  /** Namespace of the context; undefined when it names none. */
  readonly namespace: string | undefined;
}

/** The files of a list such as `$KUBECONFIG` holds; of several, those that are there. */
function filesOf(path: string): readonly string[] {
  const files = path.split(delimiter).filter((file) => file !== '');
  return files.length > 1 ? files.filter((file) => existsSync(file)) : files;
}

/**
 * Access by a kubeconfig file, or by several, merged as kubectl merges those of `$KUBECONFIG`; undefined = the file that kubectl would take.
 * Throws ERR_KUBE_CONFIG.
 */
export async function kubeconfigAccess(
  path: string | undefined,
  context?: string,
  impersonate: Impersonation = {},
): Promise<KubeconfigAccess> {
  const impersonation: Record<string, string> = {
    ...(impersonate.user !== undefined && { 'impersonate-user': impersonate.user }),
    ...(impersonate.groups?.length && { 'impersonate-group': impersonate.groups.join(',') }),
  };
  const [first = path, ...others] = path === undefined ? [] : filesOf(path);
  const plain = first === undefined || others.length > 0 ? undefined : await readPlainKubeconfig(first, context);
  if (plain !== undefined) {
    if (!plain.server.startsWith('https://') && !plain.skipsVerification) throw plainServer(path, plain.server);
    const token = plain.tokenFile === undefined ? async () => plain.token : tokenFile(plain.tokenFile);
    return {
      server: plain.server,
      namespace: plain.namespace,
      credentials: async () => {
        const bearer = await token();
        const headers = { ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }), ...impersonation };
        return { options: plain.tls, headers };
      },
    };
  }
  const { KubeConfig } = await import('@kubernetes/client-node');
  const config = new KubeConfig();
  try {
    if (first === undefined) config.loadFromDefault();
    else config.loadFromFile(first);
    for (const file of others) {
      const more = new KubeConfig();
      more.loadFromFile(file);
      config.mergeConfig(more, true);
    }
    if (context !== undefined) config.setCurrentContext(context);
  } catch (cause) {
    throw new KubeError('ERR_KUBE_CONFIG', `kubeconfig ${path ?? '(default)'} cannot be read`, { cause });
  }
  const cluster = config.getCurrentCluster();
  if (cluster === null) {
    throw new KubeError(
      'ERR_KUBE_CONFIG',
      context === undefined || config.getContextObject(context) !== null
        ? `kubeconfig ${path ?? '(default)'} names no cluster`
        : `kubeconfig ${path ?? '(default)'} has no context "${context}"`,
      {
        hint:
          config.contexts.length === 0
            ? 'choose one with `kubectl config use-context`'
            : `one of its contexts: ${config.contexts.map(({ name }) => name).join(', ')}`,
      },
    );
  }
  if (!cluster.server.startsWith('https://') && !cluster.skipTLSVerify) throw plainServer(path, cluster.server);
  return {
    server: cluster.server,
    namespace: config.getContextObject(config.getCurrentContext())?.namespace,
    credentials: async () => {
      const options: RequestOptions & { headers?: Record<string, string> } = { headers: {} };
      await config.applyToHTTPSOptions(options);
      // The pool of connections is ours.
      const { agent: _agent, headers, ...rest } = options;
      return { options: rest, headers: { ...(headers as Record<string, string>), ...impersonation } };
    },
  };
}

/** The library makes up a server on port 8080 of this machine when it finds no kubeconfig; others wrote such a server down. */
function plainServer(path: string | undefined, server: string): KubeError {
  const isMadeUp = path === undefined && server === 'http://localhost:8080';
  return isMadeUp
    ? new KubeError('ERR_KUBE_CONFIG', 'no Kubernetes cluster is configured', {
        cause: new Error('there is no kubeconfig at $KUBECONFIG or ~/.kube/config, and this is not a pod'),
        hint: 'set KUBECONFIG to the kubeconfig of a cluster, or `ambit local up` for one on this machine',
      })
    : new KubeError('ERR_KUBE_CONFIG', `kubeconfig ${path ?? '(default)'} names the server ${server}`, {
        cause: new Error('tokens are sent over HTTPS only'),
        hint: 'write an https:// address into the kubeconfig',
      });
}

/** A reader of a token file that looks at the file at most every ten seconds. */
function tokenFile(path: string): () => Promise<string> {
  let token = '';
  let readAt = 0;
  let changedAt = 0;
  return async () => {
    if (token !== '' && Date.now() - readAt < RELOAD_MS) return token;
    readAt = Date.now();
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: 0 }));
    if (token === '' || mtimeMs !== changedAt) token = (await read(path)).trim();
    changedAt = mtimeMs;
    return token;
  };
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const hint = 'is automountServiceAccountToken off?';
    throw new KubeError('ERR_KUBE_CONFIG', `service account file ${path} cannot be read`, { cause, hint });
  }
}
