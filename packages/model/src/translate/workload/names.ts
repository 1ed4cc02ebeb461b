// Names of a workload for telemetry (spec control-plane 1.3, 2.4 W7). In: metadata. Out: texts.
import type { ObjectMeta } from '@ambit/resources';
import { isDecimal } from '../../ip.ts';
import type { Labels } from '../../labels.ts';

/** Canonical name: the first label that is set, else the workload's name. */
export function canonicalName(labels: Labels, workloadName: string): string {
  return labels['service.istio.io/canonical-name'] ?? labels['app.kubernetes.io/name'] ?? labels['app'] ?? workloadName;
}

/** Canonical revision: the first label that is set, else `latest`. */
export function canonicalRevision(labels: Labels): string {
  return (
    labels['service.istio.io/canonical-revision'] ??
    labels['app.kubernetes.io/version'] ??
    labels['version'] ??
    'latest'
  );
}

/** Name of what a pod belongs to: its Deployment, its CronJob, its other owner, or itself. */
export function workloadNameOfPod(metadata: ObjectMeta): string {
  const labels = metadata.labels ?? {};
  return labels['service.istio.io/workload-name'] ?? (ownerName(metadata) || metadata.name) ?? '';
}

function ownerName(metadata: ObjectMeta): string | undefined {
  const owner = (metadata.ownerReferences ?? []).find((reference) => reference.controller === true);
  if (owner === undefined || (metadata.generateName ?? '') === '') return undefined;
  const labels = metadata.labels ?? {};
  switch (owner.kind) {
    case 'ReplicaSet':
      return (
        withoutHash(owner.name, labels['pod-template-hash']) ??
        withoutHash(owner.name, labels['rollouts-pod-template-hash']) ??
        owner.name
      );
    case 'ReplicationController':
      return labels['deploymentconfig'] || owner.name;
    case 'Job':
      return cronJobOf(owner.name) ?? owner.name;
    default:
      return owner.name;
  }
}

function withoutHash(name: string, hash: string | undefined): string | undefined {
  if (hash === undefined || hash === '' || !name.endsWith(`-${hash}`)) return undefined;
  return name.slice(0, -hash.length - 1);
}

/** A CronJob names its Jobs `<name>-<8 to 10 digits>`. */
function cronJobOf(jobName: string): string | undefined {
  const dash = jobName.lastIndexOf('-');
  const digits = jobName.slice(dash + 1);
  return dash > 0 && digits.length >= 8 && isDecimal(digits, 10) ? jobName.slice(0, dash) : undefined;
}
