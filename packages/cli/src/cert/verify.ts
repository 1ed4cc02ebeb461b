// `ambit cert verify`. In: a reference. Out: what each of its pods shows on its tunnel port, checked as the data plane checks a peer. The
// handshake ends before a certificate of ours is asked for, so nothing gets in. Called by command.ts.
import { createPeerVerifier, type PeerVerifier } from '@ambit/identity';
import { messageOf } from '@ambit/runtime/errors';
import type { KubernetesObject } from '@ambit/resources';
import { once } from 'node:events';
import { connect as connectTls, type DetailedPeerCertificate } from 'node:tls';
import { nameOf, namespaceOf, specOf } from '../cluster/object-fields.ts';
import type { OpenedCluster } from '../cluster/open.ts';
import { parseReference } from '../cluster/reference.ts';
import { resolvePods } from '../cluster/resolve.ts';
import { CliError } from '../errors.ts';
import { exitStatus } from '../output/exit-status.ts';
import { type OutputFlags, printListing } from '../output/print-listing.ts';
import { trustDomainOf } from '../waypoint/trust-domain.ts';
import { rootsOf } from './roots.ts';
import { spanText } from './span-text.ts';

const TUNNEL_PORT = 15_008;
const HANDSHAKE_MS = 10_000;
/** Longest chain that is looked at. */
const MAX_CHAIN = 8;

/** What one pod showed. */
export interface VerifiedRow {
  readonly pod: string;
  /** The identity that its service account gives it. */
  readonly expected: string;
  readonly verdict: 'ok' | 'failed';
  /** Why not; empty when it is trusted. */
  readonly reason: string;
  readonly notAfter: string;
  readonly leftMs: number;
}

/** The chain as it came, leaf first. */
function chainOf(leaf: DetailedPeerCertificate): readonly Buffer[] {
  const chain: Buffer[] = [];
  let at: DetailedPeerCertificate | undefined = leaf;
  while (at?.raw !== undefined && chain.length < MAX_CHAIN && !chain.some((one) => one.equals(at?.raw ?? one))) {
    chain.push(at.raw);
    at = at.issuerCertificate;
  }
  return chain;
}

/** The chain that a pod shows. */
async function shownBy(api: OpenedCluster, pod: KubernetesObject): Promise<readonly Buffer[]> {
  const socket = await api.openPod({ namespace: namespaceOf(pod), name: nameOf(pod), port: TUNNEL_PORT });
  // The chain is checked below, as the data plane does: host names say nothing about workloads.
  const tls = connectTls({ socket, rejectUnauthorized: false, ALPNProtocols: ['h2'], minVersion: 'TLSv1.3' });
  tls.on('error', () => undefined);
  try {
    await once(tls, 'secureConnect', { signal: AbortSignal.timeout(HANDSHAKE_MS) });
    return chainOf(tls.getPeerCertificate(true));
  } finally {
    tls.destroy();
    socket.destroy();
  }
}

/** What a chain is worth. Pure but for the clock of the verifier. */
export function judge(
  chain: readonly Buffer[],
  verify: PeerVerifier,
  nowMs: number,
): Pick<VerifiedRow, 'verdict' | 'reason' | 'notAfter' | 'leftMs'> {
  try {
    const { notAfter } = verify(chain);
    return { verdict: 'ok', reason: '', notAfter: new Date(notAfter).toISOString(), leftMs: notAfter - nowMs };
  } catch (error) {
    return { verdict: 'failed', reason: messageOf(error), notAfter: '', leftMs: 0 };
  }
}

/** Prints what each pod shows. Returns the exit status: 3 when one cannot be trusted. */
export async function certVerify(api: OpenedCluster, text: string, flags: OutputFlags): Promise<number> {
  const [pods, roots, trustDomain] = await Promise.all([
    resolvePods(api, parseReference(text), api.namespace),
    rootsOf(api),
    trustDomainOf(api, api.istioNamespace),
  ]);
  if (pods.length === 0)
    throw new CliError('ERR_CLI_NOT_FOUND', `"${text}" has no running pod`, { hint: 'kubectl get pods -A -o wide' });
  const rows = await Promise.all(
    pods.map(async (pod): Promise<VerifiedRow> => {
      const { serviceAccountName = 'default' } = specOf(pod) as { serviceAccountName?: string };
      const expected = `spiffe://${trustDomain}/ns/${namespaceOf(pod)}/sa/${serviceAccountName}`;
      const verify = createPeerVerifier({ roots, peerRole: 'server', expected: [expected] });
      const named = { pod: `${namespaceOf(pod)}/${nameOf(pod)}`, expected };
      try {
        return { ...named, ...judge(await shownBy(api, pod), verify, Date.now()) };
      } catch (error) {
        const reason = `no certificate is shown on port ${TUNNEL_PORT}: ${messageOf(error)}`;
        return { ...named, verdict: 'failed', reason, notAfter: '', leftMs: 0 };
      }
    }),
  );
  await printListing(
    {
      kind: 'CertificateVerdictList',
      rows,
      name: ({ pod }) => `pod/${pod}`,
      columns: [
        { header: 'POD', of: ({ pod }) => pod },
        { header: 'EXPECTED IDENTITY', of: ({ expected }) => expected },
        { header: 'VERDICT', of: ({ verdict }) => (verdict === 'ok' ? 'ok' : 'FAILED') },
        { header: 'ENDS IN', of: ({ notAfter, leftMs }) => (notAfter === '' ? '' : spanText(leftMs)) },
        { header: 'WHY', of: ({ reason }) => reason },
      ],
    },
    flags,
  );
  return rows.every(({ verdict }) => verdict === 'ok') ? exitStatus.done : exitStatus.no;
}
