// Signing through CertificateSigningRequests of Kubernetes (spec control-plane 5.6, EXTERNAL_CA=ISTIOD_RA_KUBERNETES_API): one object per
// request, approved by us because the requester was authenticated by us, deleted afterwards. In: CSRs. Out: certificates. Main thread.
import { randomBytes } from 'node:crypto';
import { IdentityError, type SigningBackend } from '@ambit/identity';
import { type KubeClient, KubeError } from '@ambit/kube';
import type { KubernetesObject } from '@ambit/resources';
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import { SIGNING_DEADLINE_MS, waitFor } from './wait-for.ts';

/** Settings of {@link kubernetesCsrBackend}. */
export interface KubernetesCsrOptions {
  readonly client: KubeClient;
  /** `K8S_SIGNER`: the signer of requests that name none. */
  readonly signer: string;
  /** `CERT_SIGNER_DOMAIN`: before the name that a request may give; empty = requests may name none. */
  readonly signerDomain: string;
  readonly log: Logger;
  /** Default 30 s. */
  readonly deadlineMs?: number;
}

const KIND = 'CertificateSigningRequest';
/** The API server takes no shorter life. */
const SHORTEST_SECONDS = 600;
const USAGES = ['digital signature', 'key encipherment', 'server auth', 'client auth'];
const FIELD_MANAGER_REASON = 'AmbitApproved';

interface Condition {
  readonly type?: string;
  readonly reason?: string;
  readonly message?: string;
}

/** Signs through the API server. */
export function kubernetesCsrBackend(options: KubernetesCsrOptions): SigningBackend {
  const { client, log, deadlineMs = SIGNING_DEADLINE_MS } = options;
  return {
    async sign({ csrPem, ttlMs, signerName }) {
      const signer = fullSignerName(options, signerName);
      const name = `csr-workload-${randomBytes(10).toString('hex')}`;
      try {
        const created = await client.create<KubernetesObject>({
          apiVersion: 'certificates.k8s.io/v1',
          kind: KIND,
          metadata: { name },
          spec: {
            request: Buffer.from(csrPem).toString('base64'),
            signerName: signer,
            usages: USAGES,
            expirationSeconds: Math.max(Math.round(ttlMs / 1000), SHORTEST_SECONDS),
          },
        });
        await client.update({ ...created, status: approved(created) }, { subresource: 'approval' });
        const look = async (): Promise<string | undefined> => {
          const object: KubernetesObject | undefined = await client.get({ kind: KIND, name });
          return certificateOf(name, signer, object);
        };
        return await waitFor(`${KIND} ${name} (${signer})`, look, deadlineMs);
      } catch (error) {
        throw IdentityError.is(error) ? error : asIdentityError(error, signer);
      } finally {
        await client.delete({ kind: KIND, name }).catch((error: unknown) => {
          log.warn('certificate request not deleted, the API server forgets it in time', {
            object: name,
            error: messageOf(error),
          });
        });
      }
    },
  };
}

/** A name from outside becomes part of a signer's name only when it is a plain one and a domain is configured. */
function fullSignerName({ signer, signerDomain }: KubernetesCsrOptions, wanted: string | undefined): string {
  if (wanted === undefined) {
    if (signer !== '') return signer;
    throw new IdentityError('ERR_IDENTITY_INVALID_CSR', 'the request names no signer, and K8S_SIGNER is not set');
  }
  if (signerDomain === '' || !isPlainName(wanted)) {
    throw new IdentityError('ERR_IDENTITY_INVALID_CSR', `signer ${wanted.slice(0, 64)} cannot be chosen`);
  }
  return `${signerDomain}/${wanted}`;
}

const PLAIN = new Set('abcdefghijklmnopqrstuvwxyz0123456789-.');
const isPlainName = (text: string): boolean => text.length <= 253 && Array.from(text).every((c) => PLAIN.has(c));

function approved(object: KubernetesObject): object {
  const before = ((object['status'] ?? {}) as { conditions?: readonly Condition[] }).conditions ?? [];
  const message = 'the requester was authenticated and may use these names';
  return { conditions: [...before, { type: 'Approved', status: 'True', reason: FIELD_MANAGER_REASON, message }] };
}

/** The certificate, or undefined while there is none. Throws ERR_IDENTITY_CA_REFUSED when there will be none. */
function certificateOf(name: string, signer: string, object: KubernetesObject | undefined): string | undefined {
  if (object === undefined) {
    throw new IdentityError('ERR_IDENTITY_CA_REFUSED', `${KIND} ${name} was deleted before ${signer} signed it`);
  }
  const status = (object['status'] ?? {}) as { certificate?: string; conditions?: readonly Condition[] };
  const refusal = status.conditions?.find(({ type }) => type === 'Denied' || type === 'Failed');
  if (refusal !== undefined) {
    const text = `${refusal.type ?? ''}: ${refusal.message ?? refusal.reason ?? ''}`;
    throw new IdentityError('ERR_IDENTITY_CA_REFUSED', `${signer} does not sign, ${text}`);
  }
  if (status.certificate === undefined || status.certificate === '') return undefined;
  return Buffer.from(status.certificate, 'base64').toString('utf8');
}

function asIdentityError(cause: unknown, signer: string): IdentityError {
  const isRefusal = KubeError.is(cause, 'ERR_KUBE_FORBIDDEN', 'ERR_KUBE_INVALID', 'ERR_KUBE_UNAUTHORIZED');
  return new IdentityError(
    isRefusal ? 'ERR_IDENTITY_CA_REFUSED' : 'ERR_IDENTITY_CA_UNREACHABLE',
    `no certificate from ${signer}`,
    { cause, ...(isRefusal && { hint: 'may the control plane create, approve and sign for this signer (RBAC)?' }) },
  );
}
