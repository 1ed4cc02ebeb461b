// Volume claims: every claim of the cluster's own class gets a folder of this machine, which lives as long as the claim.
// Comes in: PersistentVolumeClaims. Goes out: one PersistentVolume each, both bound; folders removed with their claims.
// The folder is named by the claim's uid alone: nothing that a user writes is a path. Main thread.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { background } from '@ambit/runtime/background';
import { isAlreadyExists, isNotFound } from '../api/status.ts';
import { controllerOfParts, keyOf, splitKey } from './context.ts';
import type { Controller, ControllerContext } from './context.ts';
import type { AnyObject } from './objects.ts';
import { createWorkQueue } from './work-queue.ts';

const CLAIMS = 'persistentvolumeclaims';
const VOLUMES = 'persistentvolumes';
/** The storage class that every cluster has. */
export const STORAGE_CLASS = 'standard';

/** A v1 PersistentVolumeClaim. */
export interface VolumeClaim extends AnyObject {
  spec?: {
    accessModes?: string[];
    resources?: { requests?: Record<string, string> };
    storageClassName?: string;
    volumeName?: string;
    volumeMode?: string;
  };
  status?: { phase?: string };
}

/** The folder of a claim. */
export const claimFolder = (claimsDir: string, uid: string): string => join(claimsDir, `pvc-${uid}`);

/** Starts the controller; `claimsDir` holds the folders. */
export function startVolumeClaimController(context: ControllerContext, claimsDir: string): Controller {
  const queue = createWorkQueue('volume-claims', context.log, (key) => reconcile(context, key, claimsDir));
  return controllerOfParts(
    queue,
    context.api.watch<VolumeClaim>(CLAIMS, {}, ({ type, object }) => {
      if (type === 'DELETED') background(context.log, 'remove a claim', release(context, object, claimsDir));
      else queue.add(keyOf(object));
    }),
  );
}

async function reconcile(context: ControllerContext, key: string, claimsDir: string): Promise<void> {
  const { namespace, name } = splitKey(key);
  const claim = context.api.get<VolumeClaim>(CLAIMS, name, namespace);
  if (claim === undefined || claim.metadata.deletionTimestamp !== undefined || claim.status?.phase === 'Bound') return;
  const storageClass = claim.spec?.storageClassName ?? STORAGE_CLASS;
  if (storageClass !== STORAGE_CLASS || (claim.spec?.volumeName ?? '') !== '') return;
  const uid = claim.metadata.uid ?? '';
  const volumeName = `pvc-${uid}`;
  const capacity = { storage: claim.spec?.resources?.requests?.['storage'] ?? '1Gi' };
  const accessModes = claim.spec?.accessModes ?? ['ReadWriteOnce'];
  const volume: AnyObject & { spec: object } = {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: volumeName, annotations: { 'pv.kubernetes.io/provisioned-by': 'local-cluster.ambit.io' } },
    spec: {
      capacity,
      accessModes,
      persistentVolumeReclaimPolicy: 'Delete',
      storageClassName: storageClass,
      volumeMode: 'Filesystem',
      hostPath: { path: claimFolder(claimsDir, uid), type: 'DirectoryOrCreate' },
      claimRef: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name, uid },
    },
  };
  await context.api.create(VOLUMES, volume).catch((error: unknown) => {
    if (!isAlreadyExists(error)) throw error;
  });
  await context.api.patch(VOLUMES, volumeName, undefined, { status: { phase: 'Bound' } }, { subresource: 'status' });
  await context.api.patch(CLAIMS, name, namespace, { spec: { volumeName, storageClassName: storageClass } });
  const status = { phase: 'Bound', accessModes, capacity };
  await context.api.patch(CLAIMS, name, namespace, { status }, { subresource: 'status' });
  context.events.record(claim, 'Normal', 'ProvisioningSucceeded', `Successfully provisioned volume ${volumeName}`);
}

async function release(context: ControllerContext, claim: VolumeClaim, claimsDir: string): Promise<void> {
  const uid = claim.metadata.uid ?? '';
  if (uid === '') return;
  await context.api.delete(VOLUMES, `pvc-${uid}`).catch((error: unknown) => {
    if (!isNotFound(error)) throw error;
  });
  await rm(claimFolder(claimsDir, uid), { recursive: true, force: true });
}
