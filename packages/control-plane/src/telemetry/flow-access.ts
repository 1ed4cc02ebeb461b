// Who may report flows, and who may watch them (decision W12). In: facts of a call. Out: nothing, or an XdsError that refuses.
// Called by the telemetry service. Proxies prove themselves as for xDS; a tool shows the token of its user, or one that is good for
// flows alone, and Kubernetes says whether its user may `watch` the virtual resource `flows.telemetry.ambit.io`, in one namespace or in all. Main thread.
import type { KubeClient, TokenReview } from '@ambit/kube';
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import { XdsError, type CallFacts } from '@ambit/xds/server';
import type { TelemetryServiceOptions } from '@ambit/xds/telemetry';
import { type Authenticator, tokenOf } from '../clients/authenticate.ts';

/** What the rules are made of. */
export interface FlowAccessParts {
  readonly client: KubeClient;
  readonly authenticator: Authenticator;
  /** `<namespace>/<service account>` of node proxies, which speak for every namespace. */
  readonly trustedAccounts: ReadonlySet<string>;
  /** Whether a pod serves a Gateway; such a one speaks for its own namespace. */
  readonly servesGateway: (namespace: string, podName: string) => boolean;
  readonly log: Logger;
}

const GROUP = 'telemetry.ambit.io';
const RESOURCE = 'flows';

/** Audience of tokens that are good for watching flows and nothing else. */
const FLOW_AUDIENCE = `${RESOURCE}.${GROUP}`;

/** The two rules. */
export function flowAccess(parts: FlowAccessParts): Pick<TelemetryServiceOptions, 'admitReporter' | 'admitWatcher'> {
  const { client, authenticator, log } = parts;
  return {
    async admitReporter({ header, peer, peerCertificate }: CallFacts) {
      const caller = await authenticator.authenticate({
        authorization: header('authorization'),
        peer,
        certificate: peerCertificate?.raw,
        clusterId: header('clusterid'),
      });
      if (caller === undefined) throw new XdsError('ERR_XDS_UNAUTHENTICATED', 'authentication failure');
      const { namespace, serviceAccount, podName } = caller;
      if (parts.trustedAccounts.has(`${namespace}/${serviceAccount}`)) return { namespace: undefined };
      if (parts.servesGateway(namespace, podName)) return { namespace };
      throw new XdsError('ERR_XDS_PERMISSION_DENIED', `${namespace}/${serviceAccount} is no proxy of this mesh`);
    },
    async admitWatcher({ header, peer }: CallFacts, namespace: string) {
      const token = tokenOf(header('authorization'));
      if (token === undefined) throw new XdsError('ERR_XDS_UNAUTHENTICATED', 'a bearer token is needed');
      const place = namespace === '' ? 'in all namespaces' : `in namespace ${namespace}`;
      try {
        const user = await userOf(client, token);
        if (user === undefined) throw new XdsError('ERR_XDS_UNAUTHENTICATED', 'the API server does not know the token');
        const wish = { verb: 'watch', group: GROUP, resource: RESOURCE, ...(namespace === '' ? {} : { namespace }) };
        if (await client.reviewAccess(user, wish)) return;
        throw new XdsError(
          'ERR_XDS_PERMISSION_DENIED',
          `user ${user.username} may not watch ${RESOURCE}.${GROUP} ${place}`,
        );
      } catch (error) {
        if (error instanceof XdsError) throw error;
        log.warn('permission to watch flows could not be asked for', { peer, error: messageOf(error) });
        throw new XdsError('ERR_XDS_NOT_READY', 'the API server does not answer', { cause: error });
      }
    },
  };
}

/** The user of a token for the API server, or for flows alone. */
async function userOf(client: FlowAccessParts['client'], token: string): Promise<TokenReview | undefined> {
  for (const audiences of [[], [FLOW_AUDIENCE]]) {
    const user = await client.reviewToken(token, audiences);
    // A reviewer that knows nothing of audiences names none: then the token was for the API server.
    if (user.isAuthenticated && audiences.every((one) => user.audiences.includes(one))) return user;
  }
  return undefined;
}
