/** Defaults of Deployments, ReplicaSets, DaemonSets, StatefulSets, Jobs and CronJobs. In: an object; out: filled copy. Pure. */

import { isObject, objectAt } from '../json.ts';
import type { JsonObject } from '../json.ts';
import { fill, mapObject, podSpecDefaults } from './pod-defaults.ts';

const quarter = '25%';

const templateDefaults = (spec: JsonObject): JsonObject =>
  mapObject(spec, 'template', (template) => ({
    ...template,
    metadata: { ...(isObject(template['metadata']) ? template['metadata'] : {}) },
    ...(isObject(template['spec']) ? { spec: podSpecDefaults(template['spec']) } : {}),
  }));

function deploymentSpec(spec: JsonObject): JsonObject {
  const filled = fill(templateDefaults(spec), {
    replicas: 1,
    strategy: {},
    revisionHistoryLimit: 10,
    progressDeadlineSeconds: 600,
  });
  return mapObject(filled, 'strategy', (strategy) => {
    const typed = fill(strategy, { type: 'RollingUpdate' });
    if (typed['type'] !== 'RollingUpdate') return typed;
    const rolling = isObject(typed['rollingUpdate']) ? typed['rollingUpdate'] : {};
    return { ...typed, rollingUpdate: fill(rolling, { maxUnavailable: quarter, maxSurge: quarter }) };
  });
}

function daemonSetSpec(spec: JsonObject): JsonObject {
  const filled = fill(templateDefaults(spec), { updateStrategy: {}, revisionHistoryLimit: 10 });
  return mapObject(filled, 'updateStrategy', (strategy) => {
    const typed = fill(strategy, { type: 'RollingUpdate' });
    if (typed['type'] !== 'RollingUpdate') return typed;
    const rolling = isObject(typed['rollingUpdate']) ? typed['rollingUpdate'] : {};
    return {
      ...typed,
      rollingUpdate: fill(rolling, { maxUnavailable: rolling['maxSurge'] === undefined ? 1 : 0, maxSurge: 0 }),
    };
  });
}

function statefulSetSpec(spec: JsonObject): JsonObject {
  const filled = fill(templateDefaults(spec), {
    replicas: 1,
    podManagementPolicy: 'OrderedReady',
    updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0 } },
    revisionHistoryLimit: 10,
    persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
  });
  return filled;
}

/** Fields of a Job's spec without the selector the server makes. */
export function jobSpec(spec: JsonObject): JsonObject {
  const isIndexed = spec['completionMode'] === 'Indexed';
  const filled = fill(templateDefaults(spec), {
    ...(spec['completions'] === undefined && spec['parallelism'] === undefined ? { completions: 1 } : {}),
    parallelism: 1,
    backoffLimit: isIndexed && spec['backoffLimitPerIndex'] !== undefined ? 2_147_483_647 : 6,
    completionMode: 'NonIndexed',
    suspend: false,
    podReplacementPolicy: 'TerminatingOrFailed',
  });
  return filled;
}

/** The selector and template labels of a new Job, by its uid. */
export function jobSelector(job: JsonObject): JsonObject {
  const spec = objectAt(job, 'spec');
  const metadata = objectAt(job, 'metadata');
  if (spec === undefined || metadata === undefined || spec['manualSelector'] === true || spec['selector'] !== undefined)
    return job;
  const labels = {
    'batch.kubernetes.io/controller-uid': metadata['uid'],
    'batch.kubernetes.io/job-name': metadata['name'],
    'controller-uid': metadata['uid'],
    'job-name': metadata['name'],
  };
  const template = isObject(spec['template']) ? spec['template'] : {};
  const templateMetadata = isObject(template['metadata']) ? template['metadata'] : {};
  const own = isObject(templateMetadata['labels']) ? templateMetadata['labels'] : {};
  return {
    ...job,
    spec: {
      ...spec,
      selector: { matchLabels: { 'batch.kubernetes.io/controller-uid': metadata['uid'] } },
      template: { ...template, metadata: { ...templateMetadata, labels: { ...own, ...labels } } },
    },
  };
}

function cronJobSpec(spec: JsonObject): JsonObject {
  const filled = fill(spec, {
    concurrencyPolicy: 'Allow',
    suspend: false,
    successfulJobsHistoryLimit: 3,
    failedJobsHistoryLimit: 1,
  });
  return mapObject(filled, 'jobTemplate', (template) =>
    mapObject({ ...template, metadata: template['metadata'] ?? {} }, 'spec', (job) => templateDefaults(job)),
  );
}

/** Storage name -> how its spec is filled. */
export const workloadSpecs: Readonly<Record<string, (spec: JsonObject) => JsonObject>> = {
  'deployments.apps': deploymentSpec,
  'replicasets.apps': (spec) => fill(templateDefaults(spec), { replicas: 1 }),
  replicationcontrollers: (spec) => fill(templateDefaults(spec), { replicas: 1 }),
  'daemonsets.apps': daemonSetSpec,
  'statefulsets.apps': statefulSetSpec,
  'jobs.batch': jobSpec,
  'cronjobs.batch': cronJobSpec,
};
