// `ambit create-remote-secret`. In: a cluster with a service account for readers. Out: a Secret on standard output whose kubeconfig has that
// account's token (spec control-plane 8.3). The token is made once, as a Secret of this cluster, so that deleting that revokes it.
import { isDnsLabel } from '@ambit/model/validate/names';
import type { KubernetesObject } from '@ambit/resources';
import { setTimeout as delay } from 'node:timers/promises';
import { kinds } from '../cluster/kinds.ts';
import type { OpenedCluster } from '../cluster/open.ts';
import { CliError } from '../errors.ts';
import { durationMs } from '../output/duration.ts';

/** Flags of the command. */
export interface RemoteSecretFlags {
  readonly name?: string;
  readonly server?: string;
  readonly serviceAccount: string;
  readonly timeout: string;
}

/** What a kubeconfig for another cluster needs. */
export interface RemoteAccess {
  readonly cluster: string;
  readonly server: string;
  /** Base64 of PEM, as a Secret holds it. */
  readonly caBase64: string;
  readonly token: string;
}

const dataOf = (object: KubernetesObject | undefined): Readonly<Record<string, string>> =>
  (object?.['data'] ?? {}) as Record<string, string>;

/** The Secret to apply in the other cluster. Pure. */
export function remoteSecretOf(
  { cluster, server, caBase64, token }: RemoteAccess,
  namespace: string,
): KubernetesObject {
  const kubeconfig = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: cluster, cluster: { server, 'certificate-authority-data': caBase64 } }],
    users: [{ name: cluster, user: { token } }],
    contexts: [{ name: cluster, context: { cluster, user: cluster } }],
    'current-context': cluster,
  };
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name: `istio-remote-secret-${cluster}`,
      namespace,
      labels: { 'istio/multiCluster': 'true' },
      annotations: { 'networking.istio.io/cluster': cluster },
    },
    // JSON is YAML, and nothing in a token or name can break out of it.
    stringData: { [cluster]: JSON.stringify(kubeconfig, undefined, 2) },
  };
}

/** A DNS label in lower case: the name becomes part of an object's name and a key of its data. */
function requireName(name: string): string {
  if (isDnsLabel(name) && name === name.toLowerCase()) return name;
  throw new CliError('ERR_CLI_INVALID', `"${name}" cannot be the name of a cluster`, {
    hint: 'choose one with --name: up to 63 lower-case letters, digits and hyphens',
  });
}

async function tokenOf(
  api: OpenedCluster,
  account: string,
  timeoutMs: number,
): Promise<{ readonly token: string; readonly caBase64: string }> {
  const ref = { ...kinds.secret, namespace: api.istioNamespace, name: `${account}-istio-remote-secret-token` };
  await api.apply({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name: ref.name,
      namespace: ref.namespace,
      annotations: { 'kubernetes.io/service-account.name': account },
    },
    type: 'kubernetes.io/service-account-token',
  });
  const deadlineMs = Date.now() + timeoutMs;
  for (;;) {
    const { token = '', 'ca.crt': caBase64 = '' } = dataOf(await api.get(ref));
    if (token !== '' && caBase64 !== '') return { token: Buffer.from(token, 'base64').toString('utf8'), caBase64 };
    if (Date.now() > deadlineMs)
      throw new CliError('ERR_CLI_TIMEOUT', `Secret ${ref.namespace}/${ref.name} got no token within ${timeoutMs} ms`, {
        hint: 'is the token controller of the cluster running?',
      });
    await delay(200);
  }
}

/** Prints the Secret. Throws ERR_CLI_NOT_FOUND without the account, ERR_CLI_INVALID for a name or server that cannot be used. */
export async function printRemoteSecret(api: OpenedCluster, flags: RemoteSecretFlags): Promise<void> {
  const server = flags.server ?? api.server;
  if (!URL.canParse(server) || new URL(server).protocol !== 'https:')
    throw new CliError('ERR_CLI_INVALID', `"${server}" is no https:// address`, { hint: 'name one with --server' });
  const kubeSystem = await api.get({ ...kinds.namespace, name: 'kube-system' });
  const cluster = requireName(flags.name ?? kubeSystem?.metadata?.uid ?? '');
  const account = { ...kinds.serviceAccount, namespace: api.istioNamespace, name: flags.serviceAccount };
  if ((await api.get(account)) === undefined)
    throw new CliError('ERR_CLI_NOT_FOUND', `service account ${account.namespace}/${account.name} does not exist`, {
      hint: 'ambit install makes it, as does the chart base',
    });
  const { token, caBase64 } = await tokenOf(api, flags.serviceAccount, durationMs(flags.timeout));
  if (['127.0.0.1', 'localhost', '[::1]'].includes(new URL(server).hostname))
    process.stderr.write(`!! ${server} leads nowhere from another machine\n      try: --server\n`);
  const { stringify } = await import('yaml');
  const secret = remoteSecretOf({ cluster, server, caBase64, token }, api.istioNamespace);
  process.stdout.write(stringify(secret, { lineWidth: 0 }));
}
