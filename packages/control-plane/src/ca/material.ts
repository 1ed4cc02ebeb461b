// Where the CA's key comes from (spec control-plane 5.6): plugged-in files, else the Secret that all replicas share, else a new
// self-signed root. In: a folder and a client. Out: signer material. Called once at start by app.ts. Keys are never logged.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createSelfSignedRoot, type SignerMaterial } from '@ambit/identity';
import { type KubeClient, KubeError } from '@ambit/kube';
import type { Secret } from '@ambit/resources';
import type { Logger } from '@ambit/runtime/log';
import { ControlPlaneError } from '../errors.ts';

/** Name of the Secret with the self-signed root. */
export const CA_SECRET = 'istio-ca-secret';

/** Loads or makes the CA material. Throws ERR_CONTROL_PLANE_CA_MATERIAL when files are incomplete. */
export async function loadMaterial(options: {
  readonly client: KubeClient;
  readonly folder: string;
  readonly namespace: string;
  readonly trustDomain: string;
  readonly log: Logger;
}): Promise<SignerMaterial> {
  const { client, folder, namespace, trustDomain, log } = options;
  const plugged = await materialOfFolder(folder);
  if (plugged !== undefined) {
    log.info('using plugged-in CA certificate', { folder });
    return plugged;
  }
  for (let attempt = 0; attempt < 5; attempt++) {
    const secret = await client.get({ kind: 'Secret', namespace, name: CA_SECRET });
    const stored = secret && materialOfSecret(secret);
    if (stored !== undefined) {
      log.info('using self-signed CA certificate', { object: `Secret ${namespace}/${CA_SECRET}` });
      return stored;
    }
    const material = createSelfSignedRoot({ trustDomain });
    try {
      await store(client, namespace, material, secret);
      log.info('self-signed CA certificate made', { object: `Secret ${namespace}/${CA_SECRET}` });
      return material;
    } catch (error) {
      // Another replica was faster: read what it wrote.
      if (!KubeError.is(error, 'ERR_KUBE_ALREADY_EXISTS', 'ERR_KUBE_CONFLICT')) throw error;
    }
  }
  throw new ControlPlaneError('ERR_CONTROL_PLANE_CA_MATERIAL', `secret ${namespace}/${CA_SECRET} keeps changing`);
}

async function materialOfFolder(folder: string): Promise<SignerMaterial | undefined> {
  const names = ['ca-cert.pem', 'ca-key.pem', 'root-cert.pem', 'cert-chain.pem'] as const;
  const [certPem, keyPem, rootPem, chainPem] = await Promise.all(
    names.map((name) => readFile(join(folder, name), 'utf8').catch(() => undefined)),
  );
  if (certPem === undefined && keyPem === undefined && rootPem === undefined && chainPem === undefined)
    return undefined;
  if (certPem === undefined || keyPem === undefined || rootPem === undefined || chainPem === undefined) {
    throw new ControlPlaneError('ERR_CONTROL_PLANE_CA_MATERIAL', `CA files in ${folder} are incomplete`, {
      hint: `all of ${names.join(', ')} are needed`,
    });
  }
  return { certPem, keyPem, chainPem, rootPem };
}

function materialOfSecret({ data = {} }: Secret): SignerMaterial | undefined {
  const text = (key: string): string => Buffer.from(data[key] ?? '', 'base64').toString('utf8');
  const certPem = text('ca-cert.pem');
  const keyPem = text('ca-key.pem');
  if (certPem === '' || keyPem === '') return undefined;
  const rootPem = text('root-cert.pem');
  return { certPem, keyPem, chainPem: text('cert-chain.pem'), rootPem: rootPem === '' ? certPem : rootPem };
}

async function store(
  client: KubeClient,
  namespace: string,
  material: SignerMaterial,
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
