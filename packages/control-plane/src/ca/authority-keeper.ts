// The certificate authority in force, which may be exchanged while the control plane runs (spec control-plane 5.6): by rotation,
// by another replica, by new plugged-in files. In: signer material. Out: the authority, and calls when it changed. Owned by
// app.ts; main thread. Material that does not fit together is refused, and what was in force stays.
import {
  authoritiesWithoutList,
  type CertificateAuthority,
  type CertificateSigner,
  certificatesOfPem,
  createCertificateAuthority,
  type SignerMaterial,
  type WorkloadCertificate,
} from '@ambit/identity';
import { hash } from 'node:crypto';
import { ControlPlaneError } from '../errors.ts';

/** Who signs and what is trusted, wherever the keys are: in this process, or in another system (signers/). */
export interface Authority {
  readonly signer: CertificateSigner;
  /** Every trusted root. */
  readonly rootPem: string;
  /** Certificates between leaves and roots that clients may be signed by; gRPC hands out the leaf only. */
  readonly chainPem: string;
  /** Revocation lists; empty when there are none. */
  readonly crlPem: string;
  /** The control plane's own certificate where the signer makes none. */
  readonly serving?: WorkloadCertificate;
  /** Called after every exchange of signer, roots or own certificate. */
  onChange(listener: () => void): void;
}

/** The authority in force whose keys are here. */
export interface AuthorityKeeper extends Authority {
  readonly current: CertificateAuthority;
  readonly material: CaMaterial;
  /** Takes other material into force; throws as {@link keepAuthority} and changes nothing when it does not fit together. */
  replace(material: CaMaterial): void;
}

/** Signer material with what is distributed beside the roots. */
export interface CaMaterial extends SignerMaterial {
  /** Revocation lists in PEM; empty when there are none. */
  readonly crlPem: string;
}

/** Lives of leaf certificates. */
export interface LeafLives {
  readonly defaultTtlMs: number;
  readonly maxTtlMs: number;
}

/** Makes the keeper; throws IdentityError or ERR_CONTROL_PLANE_CA_MATERIAL when the first material does not fit together. */
export function keepAuthority(first: CaMaterial, lives: LeafLives): AuthorityKeeper {
  const listeners: (() => void)[] = [];
  let material = first;
  checkRevocationLists(first);
  let current = createCertificateAuthority({ material, ...lives });
  return {
    get current() {
      return current;
    },
    get material() {
      return material;
    },
    get signer() {
      return current;
    },
    get rootPem() {
      return current.rootPem;
    },
    get chainPem() {
      return material.chainPem;
    },
    get crlPem() {
      return material.crlPem;
    },
    replace(next) {
      checkRevocationLists(next);
      current = createCertificateAuthority({ material: next, ...lives });
      material = next;
      for (const listener of listeners) listener();
    },
    onChange: (listener) => void listeners.push(listener),
  };
}

/** Lists count only when each authority of the chain has one (spec control-plane 5.7 C2). */
function checkRevocationLists({ crlPem, chainPem }: CaMaterial): void {
  if (crlPem === '') return;
  const [place] = authoritiesWithoutList(Buffer.from(crlPem), chainPem);
  if (place === undefined) return;
  throw new ControlPlaneError(
    'ERR_CONTROL_PLANE_CA_MATERIAL',
    `ca-crl.pem has no list of certificate ${place + 1} in cert-chain.pem`,
    { hint: 'put a list signed by each authority of the chain into it, an empty one where nothing is revoked' },
  );
}

/**
 * Why other roots may not be taken into force at once; undefined = they may. Equal roots always may. Other roots would cut off
 * everybody who trusts only the old ones: they need a mesh that is told to hold several, and one bundle must contain the other
 * (so: add the new root, switch the signer, drop the old root).
 */
export function rootChangeRefusal(oldRoots: string, newRoots: string, isMultiRoot: boolean): string | undefined {
  const [before, after] = [fingerprints(oldRoots), fingerprints(newRoots)];
  if (before.size === after.size && before.isSubsetOf(after)) return undefined;
  if (!isMultiRoot) return 'the root changed, and ISTIO_MULTIROOT_MESH is off';
  if (before.isSubsetOf(after) || after.isSubsetOf(before)) return undefined;
  return 'neither root bundle contains the other';
}

function fingerprints(pem: string): Set<string> {
  return new Set(certificatesOfPem(pem).map((der) => hash('sha256', der)));
}
