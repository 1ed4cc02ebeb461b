// In: what authentication proved and what the node says. Out: the client as sources and hooks see it, and the identity check.
// Called by: connection.ts. Pure. Source: spec control-plane 4.6, 4.7.
import { XdsError } from '../errors.ts';
import type { XdsNode } from './node.ts';

/** What an authenticator proved. */
export interface ClientIdentity {
  /** SPIFFE URIs. */
  readonly identities: readonly string[];
  /** Anything else the authenticator wants to hand on (pod name and uid of the token). */
  readonly details?: Readonly<Record<string, string>>;
}

/** One connected, authorized client. */
export interface ClientInfo {
  /** Unique within this server's life. */
  readonly connectionId: number;
  readonly node: XdsNode;
  /** Undefined when the server runs without authentication. */
  readonly identity: ClientIdentity | undefined;
  /** Address of the peer. */
  readonly peer: string;
  readonly connectedAtMs: number;
}

/**
 * The standard check: one SPIFFE identity has the namespace that the metadata claims, and the service account if one is claimed.
 * The trust domain is not compared. Throws ERR_XDS_PERMISSION_DENIED.
 */
export function checkNodeIdentity(node: XdsNode, identity: ClientIdentity): void {
  const namespace = node.text('NAMESPACE');
  const serviceAccount = node.text('SERVICE_ACCOUNT');
  const fits = identity.identities.some((text) => {
    const principal = namespaceAndAccount(text);
    return (
      principal !== undefined &&
      principal.namespace === namespace &&
      (serviceAccount === undefined || principal.serviceAccount === serviceAccount)
    );
  });
  if (fits) return;
  const claimed = `namespace ${namespace ?? '(none)'}${serviceAccount === undefined ? '' : `, service account ${serviceAccount}`}`;
  throw new XdsError('ERR_XDS_PERMISSION_DENIED', `authorization failed: no identity of the caller fits ${claimed}`);
}

function namespaceAndAccount(text: string): { namespace: string; serviceAccount: string } | undefined {
  if (!text.startsWith('spiffe://')) return undefined;
  const [, ns, namespace, sa, serviceAccount, ...rest] = text.slice(9).split('/');
  if (ns !== 'ns' || sa !== 'sa' || rest.length > 0) return undefined;
  return namespace && serviceAccount ? { namespace, serviceAccount } : undefined;
}
