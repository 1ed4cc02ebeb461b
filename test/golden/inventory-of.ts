// In: a Kubernetes object. Out: what the recorded inventory says of one: names, keys, ports, flags, variables, volumes, rules, no values.
// Pure. Called by inventory.test.ts.

// oxlint-disable-next-line typescript/no-explicit-any
type Loose = any;

const keys = (value: Loose): string[] | undefined => (value === undefined ? undefined : Object.keys(value).toSorted());

function argumentNames(args: readonly string[] | undefined): string[] | undefined {
  if (args === undefined) return undefined;
  const names = args.filter((word) => word.startsWith('--')).map((word) => word.split('=')[0] ?? '');
  const plain = args.filter(
    (word, at) =>
      !word.startsWith('-') && !(args[at - 1]?.startsWith('--') === true && args[at - 1]?.includes('=') === false),
  );
  return [...plain, ...names];
}

function probe(value: Loose): Loose {
  if (value === undefined) return undefined;
  const { httpGet, initialDelaySeconds, periodSeconds, timeoutSeconds } = value;
  return { httpGet: { path: httpGet.path, port: httpGet.port }, initialDelaySeconds, periodSeconds, timeoutSeconds };
}

function container(value: Loose): Loose {
  return {
    name: value.name,
    ports: value.ports,
    args: argumentNames(value.args),
    command: value.command,
    env: value.env?.map((one: Loose) => one.name).toSorted(),
    envFrom: value.envFrom?.map((one: Loose) => `configMapRef:${one.configMapRef.name}`),
    mounts: value.volumeMounts?.map((one: Loose) => `${one.name}:${one.mountPath}`).toSorted(),
    readinessProbe: probe(value.readinessProbe),
    resources: value.resources,
    securityContext: value.securityContext,
  };
}

function volume(value: Loose): Loose {
  const { name, hostPath, projected, configMap, secret } = value;
  if (hostPath !== undefined) return { name, type: 'hostPath', path: hostPath.path };
  if (secret !== undefined) return { name, type: 'secret', secret: secret.secretName };
  if (configMap !== undefined) return { name, type: 'configMap', configMap: configMap.name };
  if (projected === undefined) return { name, type: 'emptyDir' };
  const audiences = projected.sources.map((source: Loose) => source.serviceAccountToken?.audience).filter(Boolean);
  return {
    name,
    type: 'projected',
    sources: projected.sources.flatMap((source: Loose) => Object.keys(source)),
    audience: audiences,
  };
}

function workload(spec: Loose): Loose {
  const pod = spec.template.spec;
  return {
    selector: spec.selector,
    podLabelKeys: keys(spec.template.metadata.labels),
    podAnnotationKeys: keys(spec.template.metadata.annotations),
    containers: pod.containers.map(container),
    priorityClassName: pod.priorityClassName,
    serviceAccountName: pod.serviceAccountName,
    terminationGracePeriodSeconds: pod.terminationGracePeriodSeconds,
    nodeSelector: pod.nodeSelector,
    tolerations: pod.tolerations,
    strategy: spec.strategy ?? spec.updateStrategy,
    volumes: pod.volumes?.map(volume),
  };
}

const webhook = (value: Loose): Loose => ({
  name: value.name,
  rules: value.rules,
  namespaceSelector: value.namespaceSelector,
  objectSelector: value.objectSelector,
  failurePolicy: value.failurePolicy,
  sideEffects: value.sideEffects,
  admissionReviewVersions: value.admissionReviewVersions,
  reinvocationPolicy: value.reinvocationPolicy,
  service:
    value.clientConfig.service === undefined
      ? undefined
      : { ...value.clientConfig.service, port: value.clientConfig.service.port ?? null },
});

const version = (value: Loose): Loose => ({
  name: value.name,
  served: value.served,
  storage: value.storage,
  status: value.subresources?.status !== undefined,
  printerColumns: (value.additionalPrinterColumns ?? []).map((column: Loose) => column.name),
  specFields: keys(value.schema.openAPIV3Schema.properties.spec.properties),
});

const autoscaler = ({ minReplicas, maxReplicas, scaleTargetRef: target }: Loose): Loose => ({
  minReplicas,
  maxReplicas,
  target,
});

const service = (spec: Loose): Loose => ({
  ports: spec.ports,
  selectorKeys: keys(spec.selector),
  type: spec.type ?? 'ClusterIP',
});

/** What the recording has of a definition's names. */
const recordedNames = ({ kind, plural, shortNames, categories }: Loose): Loose => ({
  kind,
  plural,
  shortNames,
  categories,
});

function body(object: Loose): Loose {
  switch (object.kind) {
    case 'Deployment':
    case 'DaemonSet':
      return workload(object.spec);
    case 'Service':
      return service(object.spec);
    case 'ConfigMap':
      return { dataKeys: keys(object.data) };
    case 'ClusterRole':
    case 'Role':
      return { rules: object.rules };
    case 'ClusterRoleBinding':
    case 'RoleBinding':
      return { roleRef: object.roleRef, subjects: object.subjects };
    case 'HorizontalPodAutoscaler':
      return autoscaler(object.spec);
    case 'MutatingWebhookConfiguration':
    case 'ValidatingWebhookConfiguration':
      return { webhooks: object.webhooks.map(webhook) };
    case 'CustomResourceDefinition':
      return {
        group: object.spec.group,
        names: recordedNames(object.spec.names),
        scope: object.spec.scope,
        versions: object.spec.versions.map(version),
      };
    default:
      return {};
  }
}

/** The inventory entry of an object, with the same keys as the recording. */
export function inventoryOf(object: Loose): Loose {
  const { apiVersion, kind, metadata } = object;
  const entry = {
    apiVersion,
    kind,
    name: metadata.name,
    namespace: metadata.namespace,
    labelKeys: keys(metadata.labels),
    annotationKeys: keys(metadata.annotations),
    ...body(object),
  };
  return JSON.parse(JSON.stringify(entry)) as Loose;
}
