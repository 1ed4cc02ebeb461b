// The workload controllers: objects that make and replace pods.
import Type from 'typebox';
import { ConditionSchema, LabelSelectorSchema, ObjectMetaSchema } from '../object-meta.ts';
import { flag, integer, IntOrText, opaque, text } from '../schema.ts';
import { PodTemplateSchema } from './pod.ts';

const conditions = Type.Optional(Type.Array(ConditionSchema));
const rolling = Type.Optional(
  Type.Object({
    type: text,
    rollingUpdate: Type.Optional(
      Type.Object({
        maxSurge: Type.Optional(IntOrText),
        maxUnavailable: Type.Optional(IntOrText),
        partition: integer,
      }),
    ),
  }),
);
const replicaCounts = {
  observedGeneration: integer,
  replicas: integer,
  readyReplicas: integer,
  updatedReplicas: integer,
  availableReplicas: integer,
  unavailableReplicas: integer,
  conditions,
};

/** Schema of Deployment (apps/v1). */
export const DeploymentSchema = Type.Object({
  apiVersion: Type.Optional(Type.Literal('apps/v1')),
  kind: Type.Optional(Type.Literal('Deployment')),
  metadata: ObjectMetaSchema,
  spec: Type.Optional(
    Type.Object({
      replicas: integer,
      selector: Type.Optional(LabelSelectorSchema),
      template: PodTemplateSchema,
      strategy: rolling,
      minReadySeconds: integer,
      revisionHistoryLimit: integer,
      progressDeadlineSeconds: integer,
      paused: flag,
    }),
  ),
  status: Type.Optional(Type.Object(replicaCounts)),
});
/** A Deployment. */
export type Deployment = Type.Static<typeof DeploymentSchema>;

/** Schema of ReplicaSet (apps/v1). */
export const ReplicaSetSchema = Type.Object({
  apiVersion: Type.Optional(Type.Literal('apps/v1')),
  kind: Type.Optional(Type.Literal('ReplicaSet')),
  metadata: ObjectMetaSchema,
  spec: Type.Optional(
    Type.Object({
      replicas: integer,
      selector: Type.Optional(LabelSelectorSchema),
      template: Type.Optional(PodTemplateSchema),
      minReadySeconds: integer,
    }),
  ),
  status: Type.Optional(Type.Object(replicaCounts)),
});
/** A ReplicaSet. */
export type ReplicaSet = Type.Static<typeof ReplicaSetSchema>;

/** Schema of StatefulSet (apps/v1). */
export const StatefulSetSchema = Type.Object({
  apiVersion: Type.Optional(Type.Literal('apps/v1')),
  kind: Type.Optional(Type.Literal('StatefulSet')),
  metadata: ObjectMetaSchema,
  spec: Type.Optional(
    Type.Object({
      replicas: integer,
      serviceName: text,
      podManagementPolicy: text,
      selector: Type.Optional(LabelSelectorSchema),
      template: PodTemplateSchema,
      updateStrategy: rolling,
    }),
  ),
  status: Type.Optional(Type.Object({ ...replicaCounts, currentRevision: text, updateRevision: text })),
});
/** A StatefulSet. */
export type StatefulSet = Type.Static<typeof StatefulSetSchema>;

/** Schema of DaemonSet (apps/v1). */
export const DaemonSetSchema = Type.Object({
  apiVersion: Type.Optional(Type.Literal('apps/v1')),
  kind: Type.Optional(Type.Literal('DaemonSet')),
  metadata: ObjectMetaSchema,
  spec: Type.Optional(
    Type.Object({
      selector: Type.Optional(LabelSelectorSchema),
      template: PodTemplateSchema,
      updateStrategy: rolling,
      minReadySeconds: integer,
      revisionHistoryLimit: integer,
    }),
  ),
  status: Type.Optional(
    Type.Object({
      observedGeneration: integer,
      currentNumberScheduled: integer,
      desiredNumberScheduled: integer,
      numberAvailable: integer,
      numberMisscheduled: integer,
      numberReady: integer,
      numberUnavailable: integer,
      updatedNumberScheduled: integer,
      conditions,
    }),
  ),
});
/** A DaemonSet. */
export type DaemonSet = Type.Static<typeof DaemonSetSchema>;

/** Schema of Job (batch/v1). */
export const JobSchema = Type.Object({
  apiVersion: Type.Optional(Type.Literal('batch/v1')),
  kind: Type.Optional(Type.Literal('Job')),
  metadata: ObjectMetaSchema,
  spec: Type.Optional(
    Type.Object({
      parallelism: integer,
      completions: integer,
      backoffLimit: integer,
      activeDeadlineSeconds: integer,
      ttlSecondsAfterFinished: integer,
      selector: opaque,
      template: PodTemplateSchema,
    }),
  ),
  status: Type.Optional(
    Type.Object({
      active: integer,
      ready: integer,
      succeeded: integer,
      failed: integer,
      startTime: text,
      completionTime: text,
      conditions,
    }),
  ),
});
/** A Job. */
export type Job = Type.Static<typeof JobSchema>;
