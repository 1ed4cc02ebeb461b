// Pod, and the pod template that controllers carry: only the fields that the mesh reads or writes.
import Type from 'typebox';
import { ConditionSchema, ObjectMetaSchema } from '../object-meta.ts';
import { flag, integer, IntOrText, Opaque, opaque, text, textMap, texts } from '../schema.ts';

const ContainerPort = Type.Object({ name: text, containerPort: Type.Integer(), protocol: text, hostPort: integer });

const EnvVar = Type.Object({ name: Type.String(), value: text, valueFrom: opaque });

const VolumeMount = Type.Object({
  name: Type.String(),
  mountPath: Type.String(),
  readOnly: flag,
  subPath: text,
  mountPropagation: text,
});

/** Schema of a probe: exactly one action and its timing in seconds. */
const Probe = Type.Object({
  httpGet: Type.Optional(Type.Object({ path: text, port: IntOrText, scheme: text, host: text })),
  tcpSocket: Type.Optional(Type.Object({ port: IntOrText, host: text })),
  exec: Type.Optional(Type.Object({ command: texts })),
  grpc: opaque,
  initialDelaySeconds: integer,
  periodSeconds: integer,
  timeoutSeconds: integer,
  successThreshold: integer,
  failureThreshold: integer,
});

/** Schema of a container. */
export const ContainerSchema = Type.Object({
  name: Type.String(),
  image: text,
  imagePullPolicy: text,
  command: texts,
  args: texts,
  workingDir: text,
  ports: Type.Optional(Type.Array(ContainerPort)),
  env: Type.Optional(Type.Array(EnvVar)),
  envFrom: Type.Optional(Type.Array(Opaque)),
  resources: Type.Optional(Type.Object({ requests: textMap, limits: textMap })),
  volumeMounts: Type.Optional(Type.Array(VolumeMount)),
  securityContext: opaque,
  livenessProbe: Type.Optional(Probe),
  readinessProbe: Type.Optional(Probe),
  startupProbe: Type.Optional(Probe),
  lifecycle: opaque,
  restartPolicy: text,
});
/** One container of a pod. */
export type Container = Type.Static<typeof ContainerSchema>;

/** Schema of a volume; the source is exactly one of the optional fields. */
export const VolumeSchema = Type.Object({
  name: Type.String(),
  emptyDir: opaque,
  hostPath: Type.Optional(Type.Object({ path: Type.String(), type: text })),
  configMap: opaque,
  secret: opaque,
  projected: opaque,
  downwardAPI: opaque,
});
/** One volume of a pod. */
export type Volume = Type.Static<typeof VolumeSchema>;

/** Schema of a pod's `spec`. */
export const PodSpecSchema = Type.Object({
  containers: Type.Array(ContainerSchema),
  initContainers: Type.Optional(Type.Array(ContainerSchema)),
  volumes: Type.Optional(Type.Array(VolumeSchema)),
  nodeName: text,
  nodeSelector: textMap,
  serviceAccountName: text,
  hostNetwork: flag,
  hostPID: flag,
  hostIPC: flag,
  dnsPolicy: text,
  restartPolicy: text,
  terminationGracePeriodSeconds: integer,
  priorityClassName: text,
  automountServiceAccountToken: flag,
  securityContext: opaque,
  affinity: opaque,
  tolerations: Type.Optional(Type.Array(Opaque)),
  topologySpreadConstraints: Type.Optional(Type.Array(Opaque)),
  imagePullSecrets: Type.Optional(Type.Array(Opaque)),
});
/** What a pod shall run. */
export type PodSpec = Type.Static<typeof PodSpecSchema>;

/** Schema of a pod template. */
export const PodTemplateSchema = Type.Object({ metadata: Type.Optional(ObjectMetaSchema), spec: PodSpecSchema });
/** The pattern from which a controller makes pods. */
export type PodTemplate = Type.Static<typeof PodTemplateSchema>;

const ContainerStatus = Type.Object({
  name: Type.String(),
  ready: flag,
  started: flag,
  restartCount: integer,
  containerID: text,
  image: text,
  imageID: text,
  state: opaque,
  lastState: opaque,
});

/** Schema of Pod (v1). */
export const PodSchema = Type.Object({
  apiVersion: Type.Optional(Type.Literal('v1')),
  kind: Type.Optional(Type.Literal('Pod')),
  metadata: ObjectMetaSchema,
  spec: Type.Optional(PodSpecSchema),
  status: Type.Optional(
    Type.Object({
      phase: text,
      podIP: text,
      podIPs: Type.Optional(Type.Array(Type.Object({ ip: text }))),
      hostIP: text,
      hostIPs: Type.Optional(Type.Array(Type.Object({ ip: text }))),
      startTime: text,
      reason: text,
      message: text,
      qosClass: text,
      conditions: Type.Optional(Type.Array(ConditionSchema)),
      containerStatuses: Type.Optional(Type.Array(ContainerStatus)),
      initContainerStatuses: Type.Optional(Type.Array(ContainerStatus)),
    }),
  ),
});
/** A pod. */
export type Pod = Type.Static<typeof PodSchema>;
