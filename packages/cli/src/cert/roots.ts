// The roots that workloads trust, as the control plane publishes them. Called by verify.ts and watch.ts.
import { kinds } from '../cluster/kinds.ts';
import type { OpenedCluster } from '../cluster/open.ts';
import { CliError } from '../errors.ts';

/** PEM of the roots. Throws ERR_CLI_NOT_FOUND. */
export async function rootsOf(api: OpenedCluster): Promise<string> {
  const map = await api.get({ ...kinds.configMap, namespace: api.istioNamespace, name: 'istio-ca-root-cert' });
  const pem = (map?.['data'] as Readonly<Record<string, string>> | undefined)?.['root-cert.pem'];
  if (pem !== undefined) return pem;
  throw new CliError('ERR_CLI_NOT_FOUND', `ConfigMap ${api.istioNamespace}/istio-ca-root-cert is not there`, {
    hint: 'ambit check ca-and-trust',
  });
}
