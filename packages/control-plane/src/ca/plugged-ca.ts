// Plugged-in CA files, watched (spec control-plane 5.6): two layouts, all files or none, exchanged without a restart.
// In: the folder that the Secret `cacerts` is mounted to. Out: material at start; exchanges of the keeper later. Main thread.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { background } from '@ambit/runtime/background';
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import { ControlPlaneError } from '../errors.ts';
import { followFolder } from '../follow-folder.ts';
import { type AuthorityKeeper, type CaMaterial, rootChangeRefusal } from './authority-keeper.ts';

/** The material of a folder; undefined when there are no CA files. Throws ERR_CONTROL_PLANE_CA_MATERIAL when some are missing. */
export async function materialOfFolder(folder: string): Promise<CaMaterial | undefined> {
  const read = async (name: string): Promise<string | undefined> =>
    readFile(join(folder, name), 'utf8').catch(() => undefined);
  const istio = await allOrNone(folder, read, ['ca-cert.pem', 'ca-key.pem', 'root-cert.pem', 'cert-chain.pem']);
  const crlPem = (await read('ca-crl.pem')) ?? '';
  if (istio !== undefined) {
    const [certPem = '', keyPem = '', rootPem = '', chainPem = ''] = istio;
    return { certPem, keyPem, chainPem, rootPem, crlPem };
  }
  const tls = await allOrNone(folder, read, ['tls.crt', 'tls.key', 'ca.crt']);
  if (tls === undefined) return undefined;
  const [certPem = '', keyPem = '', rootPem = ''] = tls;
  return { certPem, keyPem, chainPem: certPem + rootPem, rootPem, crlPem };
}

async function allOrNone(
  folder: string,
  read: (name: string) => Promise<string | undefined>,
  names: readonly string[],
): Promise<readonly string[] | undefined> {
  const texts = await Promise.all(names.map(read));
  const present = texts.filter((text) => text !== undefined);
  if (present.length === 0) return undefined;
  if (present.length === names.length) return present;
  throw new ControlPlaneError('ERR_CONTROL_PLANE_CA_MATERIAL', `CA files in ${folder} are incomplete`, {
    hint: `all of ${names.join(', ')} are needed`,
  });
}

/** Where to look, and when several roots may be held. */
export interface PluggedCaOptions {
  readonly folder: string;
  readonly keeper: AuthorityKeeper;
  /** `ISTIO_MULTIROOT_MESH`. */
  readonly isMultiRoot: boolean;
  readonly log: Logger;
}

/** Takes new files into force until closed. */
export function watchPluggedCa({ folder, keeper, isMultiRoot, log }: PluggedCaOptions): Disposable {
  const load = async (): Promise<void> => {
    const next = await materialOfFolder(folder);
    if (next === undefined || JSON.stringify(next) === JSON.stringify(keeper.material)) return;
    const refusal = rootChangeRefusal(keeper.material.rootPem, next.rootPem, isMultiRoot);
    if (refusal !== undefined) {
      log.error('new CA files not used', { folder, why: refusal });
      return;
    }
    keeper.replace(next);
    log.info('CA certificate exchanged', { folder });
  };
  return followFolder(folder, {
    onChanged() {
      const done = load().catch((error: unknown) => {
        log.error('new CA files not used, the old ones stay', { folder, error: messageOf(error) });
      });
      background(log, 'CA files', done);
    },
    warnings: {
      ended: 'CA files are watched no longer',
      impossible: 'CA files cannot be watched, a restart takes new ones',
    },
    log,
  });
}
