// An authority whose keys are in another system (spec control-plane 5.6): which system, and which roots its certificates lead to.
// In: configuration and the mesh configuration. Out: the authority. Called by open-authority.ts; main thread.
import { certificatesOfPem, createExternalSigner, type SigningBackend, toPem } from '@ambit/identity';
import type { KubeClient } from '@ambit/kube';
import type { Logger } from '@ambit/runtime/log';
import { hash } from 'node:crypto';
import type { ControlPlaneConfig } from '../config.ts';
import { ControlPlaneError } from '../errors.ts';
import type { CaCertificate } from '../sources/mesh-config.ts';
import type { Authority, LeafLives } from './authority-keeper.ts';
import { certManagerBackend, issuerRef } from './signers/cert-manager.ts';
import { kubernetesCsrBackend } from './signers/kubernetes-csr.ts';
import { vaultBackend } from './signers/vault.ts';

/** An authority of another system; roots are exchanged with the mesh configuration. */
export interface ExternalAuthority extends Authority {
  /** Takes other `caCertificates` into force; without any root the old ones stay. */
  setRoots(certificates: readonly CaCertificate[]): void;
}

/** Most different intermediates that are remembered for checking clients. */
const MAX_INTERMEDIATES = 64;

/** Settings of {@link openExternalAuthority}. */
export interface ExternalAuthorityOptions {
  readonly backend: SigningBackend;
  /** Full name of the signer that a request means (`certSigners` of the mesh configuration use it). */
  readonly signerOf: (wanted: string | undefined) => string;
  readonly certificates: readonly CaCertificate[];
  readonly lives: LeafLives;
  readonly log: Logger;
}

/** Makes the authority. Throws ERR_CONTROL_PLANE_CA_MATERIAL without any root: nobody could check what is signed. */
export function openExternalAuthority(options: ExternalAuthorityOptions): ExternalAuthority {
  const { backend, signerOf, lives, log } = options;
  const listeners: (() => void)[] = [];
  const intermediates = new Map<string, string>();
  let roots = options.certificates;
  if (bundleOf(roots) === '') {
    throw new ControlPlaneError('ERR_CONTROL_PLANE_CA_MATERIAL', 'an external signer without root certificates', {
      cause: new Error('caCertificates of the mesh configuration holds no certificate'),
      hint: 'write the root certificates of the signer into meshConfig.caCertificates[].pem',
    });
  }
  const signer = createExternalSigner({
    backend,
    ...lives,
    rootPem: (wanted) => bundleOf(roots, signerOf(wanted)),
    onIntermediates(pem) {
      for (const der of certificatesOfPem(pem)) {
        if (intermediates.size < MAX_INTERMEDIATES) intermediates.set(hash('sha256', der), toPem('CERTIFICATE', der));
      }
    },
  });
  return {
    signer,
    get rootPem() {
      return bundleOf(roots);
    },
    get chainPem() {
      return [...intermediates.values()].join('');
    },
    crlPem: '',
    onChange: (listener) => void listeners.push(listener),
    setRoots(next) {
      if (JSON.stringify(next) === JSON.stringify(roots)) return;
      if (bundleOf(next) === '') {
        log.error('caCertificates without any certificate, the old roots stay');
        return;
      }
      roots = next;
      log.info('roots of the external signer exchanged');
      for (const listener of listeners) listener();
    },
  };
}

/** Each certificate once; those of one signer, or of all. */
function bundleOf(certificates: readonly CaCertificate[], signer?: string): string {
  const wanted = certificates.filter(
    ({ certSigners }) => signer === undefined || certSigners.length === 0 || certSigners.includes(signer),
  );
  return [...new Set(wanted.flatMap(({ pem }) => certificatesIn(pem)))].join('');
}

/** An entry that is no PEM spoils no other. */
function certificatesIn(pem: string): string[] {
  try {
    return certificatesOfPem(pem).map((der) => toPem('CERTIFICATE', der));
  } catch {
    return [];
  }
}

/** The system that the configuration names; undefined = the keys are here. Throws ERR_CONTROL_PLANE_CA_MATERIAL for half a configuration. */
export function externalSystem(
  config: ControlPlaneConfig,
  client: KubeClient,
  log: Logger,
): Pick<ExternalAuthorityOptions, 'backend' | 'signerOf'> | undefined {
  const { K8S_SIGNER: signer, CERT_SIGNER_DOMAIN: signerDomain, POD_NAMESPACE: namespace } = config;
  switch (config.EXTERNAL_CA) {
    case 'ISTIOD_RA_KUBERNETES_API': {
      if (signer === '' && signerDomain === '') throw incomplete('K8S_SIGNER or CERT_SIGNER_DOMAIN is needed');
      const signerOf = (wanted: string | undefined): string =>
        wanted === undefined ? signer : `${signerDomain}/${wanted}`;
      return { backend: kubernetesCsrBackend({ client, signer, signerDomain, log }), signerOf };
    }
    case 'AMBIT_RA_CERT_MANAGER': {
      const issuer = issuerRef(config.AMBIT_CERT_MANAGER_ISSUER);
      if (issuer === undefined) throw incomplete('AMBIT_CERT_MANAGER_ISSUER is needed: [[<group>/]<kind>/]<name>');
      return { backend: certManagerBackend({ client, namespace, issuer, log }), signerOf: () => issuer.name };
    }
    case 'AMBIT_RA_VAULT': {
      const { AMBIT_VAULT_ADDRESS: address, AMBIT_VAULT_PATH: path, AMBIT_VAULT_TOKEN_FILE: tokenFile } = config;
      if (address === undefined || !URL.canParse(address)) throw incomplete('AMBIT_VAULT_ADDRESS is needed: a URL');
      return {
        backend: vaultBackend({ address, path, tokenFile, caFile: config.AMBIT_VAULT_CA_FILE }),
        signerOf: () => path,
      };
    }
    default:
      return undefined;
  }
}

function incomplete(hint: string): ControlPlaneError {
  return new ControlPlaneError(
    'ERR_CONTROL_PLANE_CA_MATERIAL',
    'the configuration of the external signer is incomplete',
    {
      hint,
    },
  );
}
