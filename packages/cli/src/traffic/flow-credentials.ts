// What is needed to watch flows: the root of the mesh and a token that the control plane can have reviewed. In: a cluster. Out: both, or why
// there is none. A kubeconfig without a token (client certificate, --as) asks for a token of the mesh's reader, good for flows alone, as far as the user
// may create such tokens. Called by control-plane-flows.ts.
import { messageOf } from '@ambit/runtime/errors';
import type { IssuedToken } from '@ambit/kube';
import { kinds } from '../cluster/kinds.ts';
import type { OpenedCluster } from '../cluster/open.ts';

/** Both, for as long as is watched. */
export interface FlowCredentials {
  readonly rootPem: string;
  readonly token: () => Promise<string>;
  /** True when the last token is over, so that a refusal says nothing about permissions. */
  readonly hasEnded: () => boolean;
}

/** Reads the mesh everywhere, by the charts. */
const READER = 'istio-reader-service-account';
/** The control plane accepts it for watching; the API server accepts such a token for nothing. */
const AUDIENCE = 'flows.telemetry.ambit.io';
const SECONDS = 3600;
/** A token is asked for anew when it has less left. */
const RENEW_MS = 300_000;

/** The credentials of the user, or a reason. */
export async function flowCredentials(
  api: OpenedCluster,
  now: () => number = Date.now,
): Promise<FlowCredentials | string> {
  const namespace = api.istioNamespace;
  const [own, map] = await Promise.all([
    api.token(),
    api.get({ ...kinds.configMap, namespace, name: 'istio-ca-root-cert' }).catch(() => undefined),
  ]);
  const rootPem = (map?.['data'] as Readonly<Record<string, string>> | undefined)?.['root-cert.pem'];
  if (rootPem === undefined) return `ConfigMap istio-ca-root-cert in namespace ${namespace} cannot be read`;
  if (own !== undefined) return { rootPem, token: async () => (await api.token()) ?? own, hasEnded: () => false };
  const issue = async (): Promise<IssuedToken> =>
    api.requestToken({ namespace, serviceAccount: READER, audiences: [AUDIENCE], seconds: SECONDS });
  let issued: IssuedToken;
  try {
    issued = await issue();
  } catch (error) {
    return `your kubeconfig holds no bearer token, or acts as somebody else, and a token of service account ${namespace}/${READER} cannot be had: ${messageOf(error)}`;
  }
  return {
    rootPem,
    token: async () => {
      if (issued.endsAtMs - now() < RENEW_MS) issued = await issue();
      return issued.token;
    },
    hasEnded: () => issued.endsAtMs <= now(),
  };
}
