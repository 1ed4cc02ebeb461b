// Chooses who signs for this mesh (spec control-plane 5.6): another system, plugged-in files, or a root that all replicas share. All are
// followed while the control plane runs. In: configuration. Out: the authority and a check of client certificates. Called by app.ts.
import { certificatesOfPem, createPeerVerifier, type PeerIdentity, type PeerVerifier } from '@ambit/identity';
import type { KubeClient } from '@ambit/kube';
import type { Logger } from '@ambit/runtime/log';
import type { ControlPlaneConfig } from '../config.ts';
import type { MeshSettings } from '../sources/mesh-config.ts';
import { type Authority, keepAuthority } from './authority-keeper.ts';
import { externalSystem, openExternalAuthority } from './external-authority.ts';
import { openMountedAuthority } from './mounted-authority.ts';
import { materialOfFolder, watchPluggedCa } from './plugged-ca.ts';
import { selfSignedMaterial, watchSelfSigned } from './self-signed-ca.ts';

/** The authority, and how it hears of another mesh configuration. */
export interface OpenedAuthority {
  readonly authority: Authority;
  readonly onMesh: (mesh: MeshSettings) => void;
}

/** Opens it; what watches ends with the stack. Throws ControlPlaneError or IdentityError when the material cannot be used. */
export async function openAuthority(parts: {
  readonly client: KubeClient;
  readonly config: ControlPlaneConfig;
  readonly mesh: MeshSettings;
  readonly log: Logger;
  readonly stack: AsyncDisposableStack;
}): Promise<OpenedAuthority> {
  const { client, config, mesh, stack } = parts;
  const log = parts.log.child('ca');
  const lives = { defaultTtlMs: config.DEFAULT_WORKLOAD_CERT_TTL, maxTtlMs: config.MAX_WORKLOAD_CERT_TTL };
  const system = externalSystem(config, client, log);
  if (system !== undefined) {
    log.info('using an external signer', { kind: config.EXTERNAL_CA });
    const authority = openExternalAuthority({ ...system, certificates: mesh.caCertificates, lives, log });
    return { authority, onMesh: (next) => authority.setRoots(next.caCertificates) };
  }
  if (!config.ENABLE_CA_SERVER) {
    const places = { folder: config.AMBIT_SERVING_TLS_DIR, rootFile: config.AMBIT_SERVING_ROOT_FILE };
    const mounted = await openMountedAuthority({ ...places, log });
    if (mounted !== undefined) {
      stack.use(mounted);
      log.info('using a mounted serving certificate', places);
      return { authority: mounted, onMesh: () => {} };
    }
  }
  const folder = config.ROOT_CA_DIR;
  const plugged = await materialOfFolder(folder);
  if (plugged !== undefined) {
    log.info('using plugged-in CA certificate', { folder });
    const keeper = keepAuthority(plugged, lives);
    stack.use(watchPluggedCa({ folder, keeper, isMultiRoot: config.ISTIO_MULTIROOT_MESH, log }));
    return { authority: keeper, onMesh: () => {} };
  }
  const shared = { client, namespace: config.POD_NAMESPACE, trustDomain: mesh.options.trustDomain, log };
  const keeper = keepAuthority(await selfSignedMaterial(shared), lives);
  stack.use(watchSelfSigned({ ...shared, keeper }));
  return { authority: keeper, onMesh: () => {} };
}

/** Judges client certificates against the roots and intermediates of the moment. */
export function clientVerifier(authority: Authority): (leaf: Buffer) => PeerIdentity {
  const make = (): PeerVerifier => createPeerVerifier({ roots: authority.rootPem, peerRole: 'client' });
  let verify = make();
  authority.onChange(() => (verify = make()));
  let known = '';
  let intermediates: Buffer[] = [];
  // gRPC hands out the leaf only; what lies between is our own chain.
  return (leaf) => {
    if (authority.chainPem !== known) {
      known = authority.chainPem;
      intermediates = certificatesOfPem(known);
    }
    return verify([leaf, ...intermediates]);
  };
}
