// The self-signed root that all replicas share (spec control-plane 5.6): made once, stored in a Secret, renewed with the same key
// before it ends, taken over from other replicas. In: a client. Out: material at start; exchanges of the keeper later. Main thread.
import { createSelfSignedRoot } from '@ambit/identity';
import { type KubeClient, KubeError } from '@ambit/kube';
import type { Secret } from '@ambit/resources';
import { background } from '@ambit/runtime/background';
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import { ControlPlaneError } from '../errors.ts';
import type { AuthorityKeeper, CaMaterial } from './authority-keeper.ts';

/** Name of the Secret with the self-signed root. */
export const CA_SECRET = 'istio-ca-secret';
/** Renewed when less than this part of its life is left. */
const RENEW_BELOW = 0.2;
const CHECK_MS = 3_600_000;

/** Where the root is kept. */
export interface SelfSignedOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly trustDomain: string;
  readonly log: Logger;
}

/** The stored root, or a new one that is stored. Throws ERR_CONTROL_PLANE_CA_MATERIAL when the Secret keeps changing. */
export async function selfSignedMaterial(options: SelfSignedOptions): Promise<CaMaterial> {
  const { client, namespace, trustDomain, log } = options;
  const object = `Secret ${namespace}/${CA_SECRET}`;
  for (let attempt = 0; attempt < 5; attempt++) {
    const secret = await client.get({ kind: 'Secret', namespace, name: CA_SECRET });
    const stored = secret && materialOfSecret(secret);
    if (stored !== undefined) {
      log.info('using self-signed CA certificate', { object });
      return stored;
    }
    const material = { ...createSelfSignedRoot({ trustDomain }), crlPem: '' };
    try {
      await store(client, namespace, material, secret);
      log.info('self-signed CA certificate made', { object });
      return material;
    } catch (error) {
      // Another replica was faster: read what it wrote.
      if (!KubeError.is(error, 'ERR_KUBE_ALREADY_EXISTS', 'ERR_KUBE_CONFLICT')) throw error;
    }
  }
  throw new ControlPlaneError('ERR_CONTROL_PLANE_CA_MATERIAL', `secret ${namespace}/${CA_SECRET} keeps changing`);
}

/** What a look at the Secret led to. */
export type RotationOutcome = 'kept' | 'reloaded' | 'renewed';

/** Looks once: takes over what another replica stored, renews what is near its end. Rejects when the Secret cannot be read or written. */
export async function rotateSelfSigned(
  options: SelfSignedOptions & { readonly keeper: AuthorityKeeper; readonly now?: number },
): Promise<RotationOutcome> {
  const { client, namespace, trustDomain, keeper, now = Date.now() } = options;
  const secret = await client.get({ kind: 'Secret', namespace, name: CA_SECRET });
  const stored = secret && materialOfSecret(secret);
  if (stored !== undefined && stored.certPem !== keeper.material.certPem) {
    keeper.replace(stored);
    return 'reloaded';
  }
  const { notBefore, notAfter } = keeper.current.signer;
  if (notAfter - now > (notAfter - notBefore) * RENEW_BELOW) return 'kept';
  // The same key and name: who trusts the old root trusts what is signed from now on, and the other way round.
  const { keyPem } = keeper.material;
  const next = { ...createSelfSignedRoot({ trustDomain, keyPem, now }), crlPem: keeper.material.crlPem };
  const before = keeper.material;
  keeper.replace(next);
  try {
    await store(client, namespace, next, secret);
  } catch (error) {
    keeper.replace(before);
    throw error;
  }
  return 'renewed';
}

/** Looks every hour, at a time of its own, so that replicas do not all renew at once. */
export function watchSelfSigned(options: SelfSignedOptions & { readonly keeper: AuthorityKeeper }): Disposable {
  const { log } = options;
  let timer: NodeJS.Timeout | undefined;
  const look = async (): Promise<void> => {
    try {
      const outcome = await rotateSelfSigned(options);
      if (outcome !== 'kept') log.info('self-signed CA certificate exchanged', { how: outcome });
    } catch (error) {
      log.warn('self-signed CA certificate not checked, trying again', { error: messageOf(error) });
    }
    schedule(CHECK_MS);
  };
  const schedule = (ms: number): void => {
    timer = setTimeout(() => background(log, 'root rotation', look()), ms);
    timer.unref();
  };
  schedule(Math.random() * CHECK_MS);
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}

function materialOfSecret({ data = {} }: Secret): CaMaterial | undefined {
  const text = (key: string): string => Buffer.from(data[key] ?? '', 'base64').toString('utf8');
  const certPem = text('ca-cert.pem');
  const keyPem = text('ca-key.pem');
  if (certPem === '' || keyPem === '') return undefined;
  const rootPem = text('root-cert.pem');
  return { certPem, keyPem, chainPem: text('cert-chain.pem'), rootPem: rootPem || certPem, crlPem: '' };
}

async function store(
  client: KubeClient,
  namespace: string,
  material: CaMaterial,
  before: Secret | undefined,
): Promise<void> {
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const secret: Secret = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { ...before?.metadata, name: CA_SECRET, namespace },
    type: 'istio.io/ca-root',
    data: {
      'ca-cert.pem': base64(material.certPem),
      'ca-key.pem': base64(material.keyPem),
      'root-cert.pem': base64(material.rootPem),
      'cert-chain.pem': '',
      'key.pem': '',
    },
  };
  if (before === undefined) await client.create(secret);
  else await client.update(secret);
}
