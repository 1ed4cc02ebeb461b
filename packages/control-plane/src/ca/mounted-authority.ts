// A mesh whose certificates somebody else signs without asking us (spec control-plane 5.6, ENABLE_CA_SERVER=false: istio-csr, SPIRE): the control
// plane serves with a certificate that is mounted beside it, and trusts the roots beside that. In: two places. Out: an authority that signs nothing.
// Called by open-authority.ts; main thread. New files are taken over without a restart; files that do not fit leave the old ones in force.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  certificatesOfPem,
  createPeerVerifier,
  IdentityError,
  readIssuedChain,
  toPem,
  type WorkloadCertificate,
} from '@ambit/identity';
import { background } from '@ambit/runtime/background';
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import { createSecureContext } from 'node:tls';
import { ControlPlaneError } from '../errors.ts';
import { followFolder } from '../follow-folder.ts';
import type { Authority } from './authority-keeper.ts';

/** Where the files are. */
export interface MountedAuthorityOptions {
  /** Folder with `tls.crt` and `tls.key`. */
  readonly folder: string;
  /** Trusted roots; `ca.crt` of the folder when it is missing. */
  readonly rootFile: string;
  readonly log: Logger;
}

/** The authority, while it is followed. */
export interface MountedAuthority extends Authority, Disposable {
  /** The certificate that is mounted now. */
  readonly serving: WorkloadCertificate;
}

/** Opens it; undefined when no certificate is mounted. Throws ERR_CONTROL_PLANE_CA_MATERIAL for files that do not fit together. */
export async function openMountedAuthority(options: MountedAuthorityOptions): Promise<MountedAuthority | undefined> {
  const { folder, log } = options;
  const first = await load(options);
  if (first === undefined) return undefined;
  let serving = first;
  const listeners: (() => void)[] = [];
  const look = async (): Promise<void> => {
    const next = await load(options);
    if (next === undefined || JSON.stringify(next) === JSON.stringify(serving)) return;
    serving = next;
    log.info('mounted serving certificate exchanged', { notAfter: new Date(next.notAfter).toISOString() });
    for (const listener of listeners) listener();
  };
  const following = followFolder(folder, {
    onChanged() {
      const done = look().catch((error: unknown) => {
        log.error('new serving certificate not used, the old one stays', { folder, error: messageOf(error) });
      });
      background(log, 'mounted certificate', done);
    },
    warnings: {
      ended: 'serving certificate is watched no longer',
      impossible: 'serving certificate cannot be watched, a restart takes a new one',
    },
    log,
  });
  return {
    signer: {
      issue: () => {
        throw new IdentityError('ERR_IDENTITY_CA_REFUSED', 'this control plane signs nothing (ENABLE_CA_SERVER=false)');
      },
    },
    get serving() {
      return serving;
    },
    get rootPem() {
      return serving.rootsPem;
    },
    chainPem: '',
    crlPem: '',
    onChange: (listener) => void listeners.push(listener),
    [Symbol.dispose]: () => following[Symbol.dispose](),
  };
}

async function load({ folder, rootFile }: MountedAuthorityOptions): Promise<WorkloadCertificate | undefined> {
  const read = async (path: string): Promise<string | undefined> => readFile(path, 'utf8').catch(() => undefined);
  const [chain, key] = await Promise.all([read(join(folder, 'tls.crt')), read(join(folder, 'tls.key'))]);
  if (chain === undefined && key === undefined) return undefined;
  const roots = (await read(rootFile)) ?? (await read(join(folder, 'ca.crt')));
  if (chain === undefined || key === undefined || roots === undefined) {
    throw unusable(`files in ${folder} are incomplete`, undefined);
  }
  try {
    createSecureContext({ cert: chain, key });
    createPeerVerifier({ roots, peerRole: 'client' });
    return readIssuedChain('control plane', key, [
      ...certificatesOfPem(chain).map((der) => toPem('CERTIFICATE', der)),
      roots,
    ]);
  } catch (cause) {
    throw unusable(`the certificate in ${folder} cannot be used`, cause);
  }
}

function unusable(message: string, cause: unknown): ControlPlaneError {
  return new ControlPlaneError('ERR_CONTROL_PLANE_CA_MATERIAL', message, {
    cause,
    hint: 'tls.crt, its tls.key, and the roots as root-cert.pem or ca.crt are needed',
  });
}
