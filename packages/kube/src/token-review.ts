// In: a bearer token and the audiences it must have. Out: who it belongs to. Called by the control plane for every xDS and CA client.
import type { KubernetesObject } from '@ambit/resources';
import type { KubeClient } from './client.ts';
import { KubeError } from './errors.ts';

/** Owner of a token. */
export interface TokenOwner {
  /** `system:serviceaccount:<namespace>:<name>`. */
  readonly username: string;
  readonly groups: readonly string[];
  /** Name of the pod that the token is bound to, if any. */
  readonly podName: string | undefined;
  readonly nodeName: string | undefined;
}

interface Review extends KubernetesObject {
  readonly status?: {
    readonly authenticated?: boolean;
    readonly error?: string;
    readonly user?: {
      readonly username?: string;
      readonly groups?: readonly string[];
      readonly extra?: Readonly<Record<string, readonly string[]>>;
    };
  };
}

/** Asks the API server. Undefined for a token that is not valid; rejects with KubeError when it could not be asked. */
export async function reviewToken(
  client: KubeClient,
  token: string,
  audiences: readonly string[],
): Promise<TokenOwner | undefined> {
  const review = (await client.connection.json({
    method: 'POST',
    path: '/apis/authentication.k8s.io/v1/tokenreviews',
    body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token, audiences } },
  })) as Review;
  const { authenticated = false, user } = review.status ?? {};
  if (!authenticated) return undefined;
  if (user?.username === undefined) throw new KubeError('ERR_KUBE_ANSWER', 'a token review names no user');
  return {
    username: user.username,
    groups: user.groups ?? [],
    podName: user.extra?.['authentication.kubernetes.io/pod-name']?.[0],
    nodeName: user.extra?.['authentication.kubernetes.io/node-name']?.[0],
  };
}
