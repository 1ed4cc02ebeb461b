// Signing through CertificateRequests of cert-manager (cert-manager.io/v1): one object per request in the system namespace, deleted
// afterwards. Its approver policy decides as for everybody. In: CSRs. Out: certificates. Main thread.
import { randomBytes } from 'node:crypto';
import { IdentityError, type SigningBackend } from '@ambit/identity';
import { type KubeClient, KubeError } from '@ambit/kube';
import type { KubernetesObject } from '@ambit/resources';
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import { SIGNING_DEADLINE_MS, waitFor } from './wait-for.ts';

/** Who signs. */
export interface IssuerRef {
  readonly group: string;
  readonly kind: string;
  readonly name: string;
}

/** Settings of {@link certManagerBackend}. */
export interface CertManagerOptions {
  readonly client: KubeClient;
  /** Where requests are made: the system namespace. */
  readonly namespace: string;
  readonly issuer: IssuerRef;
  readonly log: Logger;
  /** Default 30 s. */
  readonly deadlineMs?: number;
}

const KIND = 'CertificateRequest';
/** cert-manager takes no shorter life. */
const SHORTEST_SECONDS = 3_600;

/** `<name>`, `<kind>/<name>` or `<group>/<kind>/<name>`; the kind is Issuer and the group cert-manager's otherwise. */
export function issuerRef(text: string): IssuerRef | undefined {
  const [name = '', kind = 'Issuer', group = 'cert-manager.io', ...rest] = text.split('/').toReversed();
  return name === '' || kind === '' || group === '' || rest.length > 0 ? undefined : { group, kind, name };
}

/** Signs through cert-manager. */
export function certManagerBackend(options: CertManagerOptions): SigningBackend {
  const { client, namespace, issuer, log, deadlineMs = SIGNING_DEADLINE_MS } = options;
  const signer = `${issuer.kind} ${issuer.name}`;
  return {
    async sign({ csrPem, ttlMs, signerName }) {
      if (signerName !== undefined) {
        throw new IdentityError('ERR_IDENTITY_INVALID_CSR', 'requests cannot choose among issuers of cert-manager');
      }
      const name = `workload-${randomBytes(10).toString('hex')}`;
      try {
        await client.create<KubernetesObject>({
          apiVersion: 'cert-manager.io/v1',
          kind: KIND,
          metadata: { name, namespace },
          spec: {
            request: Buffer.from(csrPem).toString('base64'),
            duration: `${Math.max(Math.round(ttlMs / 1000), SHORTEST_SECONDS)}s`,
            issuerRef: { ...issuer },
            usages: ['digital signature', 'key encipherment', 'server auth', 'client auth'],
          },
        });
        const look = async (): Promise<string | undefined> => {
          const object: KubernetesObject | undefined = await client.get({ kind: KIND, namespace, name });
          return certificatesOf(signer, object);
        };
        return await waitFor(`${KIND} ${namespace}/${name} (${signer})`, look, deadlineMs);
      } catch (error) {
        throw IdentityError.is(error) ? error : asIdentityError(error, signer);
      } finally {
        await client.delete({ kind: KIND, namespace, name }).catch((error: unknown) => {
          log.warn('certificate request not deleted', { object: `${namespace}/${name}`, error: messageOf(error) });
        });
      }
    },
  };
}

interface Condition {
  readonly type?: string;
  readonly status?: string;
  readonly reason?: string;
  readonly message?: string;
}

/** The chain, or undefined while there is none. Throws ERR_IDENTITY_CA_REFUSED when there will be none. */
function certificatesOf(signer: string, object: KubernetesObject | undefined): string | undefined {
  const status = (object?.['status'] ?? {}) as { certificate?: string; conditions?: readonly Condition[] };
  const refusal = status.conditions?.find(
    ({ type, status: value, reason }) =>
      (type === 'Denied' && value === 'True') ||
      (type === 'InvalidRequest' && value === 'True') ||
      (type === 'Ready' && value === 'False' && (reason === 'Failed' || reason === 'Denied')),
  );
  if (object === undefined || refusal !== undefined) {
    const text = refusal?.message ?? refusal?.reason ?? 'the request was deleted';
    throw new IdentityError('ERR_IDENTITY_CA_REFUSED', `${signer} does not sign: ${text}`);
  }
  if (status.certificate === undefined || status.certificate === '') return undefined;
  return Buffer.from(status.certificate, 'base64').toString('utf8');
}

function asIdentityError(cause: unknown, signer: string): IdentityError {
  const isMissing = KubeError.is(cause, 'ERR_KUBE_NOT_FOUND');
  const isRefusal = isMissing || KubeError.is(cause, 'ERR_KUBE_FORBIDDEN', 'ERR_KUBE_INVALID');
  return new IdentityError(
    isRefusal ? 'ERR_IDENTITY_CA_REFUSED' : 'ERR_IDENTITY_CA_UNREACHABLE',
    `no certificate from ${signer}`,
    { cause, ...(isMissing && { hint: 'is cert-manager installed?' }) },
  );
}
