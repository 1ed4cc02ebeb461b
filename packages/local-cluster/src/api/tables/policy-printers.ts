/** Tables of kinds that steer others: autoscalers, budgets, quotas, classes, bindings, volumes, admission. In: objects; out: cells (spec/local-cluster.md 7.1). Called through columns.ts. Pure. */

import { isObject, listAt, objectAt, shown, textAt, valueAt } from '../json.ts';
import { age, ageColumn, column, count, labelsText, nameColumn, nameOf, noneIfEmpty, printer } from './printer.ts';
import type { Printer } from './printer.ts';

const createdOnly = printer([nameColumn, column('Created At', 'date')], (object) => [
  nameOf(object),
  textAt(object, 'metadata', 'creationTimestamp'),
]);

/** Subjects of one kind as `kubectl get -o wide` lists them. */
function subjects(binding: unknown, kind: string): string {
  return listAt(binding, 'subjects')
    .filter((subject) => textAt(subject, 'kind') === kind)
    .map((subject) => {
      const namespace = textAt(subject, 'namespace');
      return kind === 'ServiceAccount' && namespace !== ''
        ? `${namespace}/${textAt(subject, 'name')}`
        : textAt(subject, 'name');
    })
    .join(', ');
}

const bindingPrinter = printer(
  [
    nameColumn,
    column('Role'),
    ageColumn,
    column('Users', 'string', 1),
    column('Groups', 'string', 1),
    column('ServiceAccounts', 'string', 1),
  ],
  (object, now) => [
    nameOf(object),
    `${textAt(object, 'roleRef', 'kind')}/${textAt(object, 'roleRef', 'name')}`,
    age(object, now),
    subjects(object, 'User'),
    subjects(object, 'Group'),
    subjects(object, 'ServiceAccount'),
  ],
);

/** One metric of an autoscaler: `cpu: 12%/80%`, `<unknown>` until it was measured. */
function metricText(metric: unknown, current: unknown): string {
  const source = { Resource: 'resource', ContainerResource: 'containerResource', Pods: 'pods', Object: 'object' };
  const field = source[textAt(metric, 'type') as keyof typeof source] ?? 'external';
  const target = objectAt(metric, field, 'target');
  const now = objectAt(current, field, 'current');
  const name = textAt(metric, field, 'name');
  const prefix = name === '' ? '' : `${name}: `;
  const share = valueAt(target, ['averageUtilization']);
  if (share !== undefined) {
    const measured = valueAt(now, ['averageUtilization']);
    return `${prefix}${measured === undefined ? '<unknown>' : `${shown(measured)}%`}/${shown(share)}%`;
  }
  const average = valueAt(target, ['averageValue']);
  const measured = valueAt(now, [average === undefined ? 'value' : 'averageValue']);
  const suffix = average === undefined || field === 'resource' ? '' : ' (avg)';
  const wanted = average ?? valueAt(target, ['value']);
  return `${prefix}${measured === undefined ? '<unknown>' : shown(measured)}/${wanted === undefined ? '<auto>' : shown(wanted)}${suffix}`;
}

function metricsText(autoscaler: unknown): string {
  const metrics = listAt(autoscaler, 'spec', 'metrics');
  const current = listAt(autoscaler, 'status', 'currentMetrics');
  if (metrics.length === 0) return '<none>';
  const all = metrics.map((metric, index) => metricText(metric, current[index]));
  return all.length > 2 ? `${all.slice(0, 2).join(', ')} + ${all.length - 2} more...` : all.join(', ');
}

/** `cpu: 100m/1, pods: 2/5` of the limits or of everything else. */
function quotaText(quota: unknown, ofLimits: boolean): string {
  const hard = objectAt(quota, 'status', 'hard') ?? {};
  return Object.keys(hard)
    .filter((name) => name.startsWith('limits') === ofLimits)
    .toSorted()
    .map((name) => `${name}: ${shown(valueAt(quota, ['status', 'used', name]) ?? '0')}/${shown(hard[name])}`)
    .join(', ');
}

function selectorText(selector: unknown): string {
  const expressions = listAt(selector, 'matchExpressions').map((each) => {
    const values = listAt(each, 'values').map(String).join(',');
    const key = textAt(each, 'key');
    const operators: Record<string, string> = {
      In: `${key} in (${values})`,
      NotIn: `${key} notin (${values})`,
      Exists: key,
      DoesNotExist: `!${key}`,
    };
    return operators[textAt(each, 'operator')] ?? key;
  });
  const labels = labelsText(valueAt(selector, ['matchLabels']));
  return [...(labels === '<none>' ? [] : [labels]), ...expressions].join(',') || '<none>';
}

const modes: Readonly<Record<string, string>> = {
  ReadWriteOnce: 'RWO',
  ReadOnlyMany: 'ROX',
  ReadWriteMany: 'RWX',
  ReadWriteOncePod: 'RWOP',
};

const accessModes = (object: unknown, ...path: readonly string[]): string =>
  listAt(object, ...path)
    .map((mode) => modes[String(mode)] ?? String(mode))
    .join(',');

function signingCondition(request: unknown): string {
  const types = listAt(request, 'status', 'conditions').map((condition) => textAt(condition, 'type'));
  const decided: string[] = types.filter((type) => type === 'Approved' || type === 'Denied');
  if (decided.length === 0) decided.push('Pending');
  if (types.includes('Failed')) decided.push('Failed');
  if (textAt(request, 'status', 'certificate') !== '') decided.push('Issued');
  return decided.join(',');
}

function ownerText(object: unknown): string {
  const owner = listAt(object, 'metadata', 'ownerReferences').find((each) => valueAt(each, ['controller']) === true);
  if (owner === undefined) return '<none>';
  const group = textAt(owner, 'apiVersion').split('/')[0] ?? '';
  return `${textAt(owner, 'kind').toLowerCase()}.${group}/${textAt(owner, 'name')}`;
}

const webhookPrinter = printer([nameColumn, column('Webhooks', 'integer'), ageColumn], (object, now) => [
  nameOf(object),
  listAt(object, 'webhooks').length,
  age(object, now),
]);

const unsetIfEmpty = (text: string): string => (text === '' ? '<unset>' : text);

const kindText = (value: unknown): string =>
  isObject(value) ? `${textAt(value, 'apiVersion')}/${textAt(value, 'kind')}` : '<unset>';

/** Printers by storage name. */
export const policyPrinters: Readonly<Record<string, Printer>> = {
  'rolebindings.rbac.authorization.k8s.io': bindingPrinter,
  'clusterrolebindings.rbac.authorization.k8s.io': bindingPrinter,
  limitranges: createdOnly,
  'horizontalpodautoscalers.autoscaling': printer(
    [
      nameColumn,
      column('Reference'),
      column('Targets'),
      column('MinPods'),
      column('MaxPods'),
      column('Replicas'),
      ageColumn,
    ],
    (object, now) => [
      nameOf(object),
      `${textAt(object, 'spec', 'scaleTargetRef', 'kind')}/${textAt(object, 'spec', 'scaleTargetRef', 'name')}`,
      metricsText(object),
      shown(valueAt(object, ['spec', 'minReplicas']) ?? '<unset>'),
      count(object, 'spec', 'maxReplicas'),
      count(object, 'status', 'currentReplicas'),
      age(object, now),
    ],
  ),
  'poddisruptionbudgets.policy': printer(
    [
      nameColumn,
      column('Min Available'),
      column('Max Unavailable'),
      column('Allowed Disruptions', 'integer'),
      ageColumn,
    ],
    (object, now) => [
      nameOf(object),
      shown(valueAt(object, ['spec', 'minAvailable']) ?? 'N/A'),
      shown(valueAt(object, ['spec', 'maxUnavailable']) ?? 'N/A'),
      count(object, 'status', 'disruptionsAllowed'),
      age(object, now),
    ],
  ),
  resourcequotas: printer([nameColumn, column('Request'), column('Limit'), ageColumn], (object, now) => [
    nameOf(object),
    quotaText(object, false),
    quotaText(object, true),
    age(object, now),
  ]),
  'priorityclasses.scheduling.k8s.io': printer(
    [
      nameColumn,
      column('Value', 'integer'),
      column('Global-Default', 'boolean'),
      ageColumn,
      column('PreemptionPolicy'),
    ],
    (object, now) => [
      nameOf(object),
      count(object, 'value'),
      valueAt(object, ['globalDefault']) === true,
      age(object, now),
      textAt(object, 'preemptionPolicy') || 'PreemptLowerPriority',
    ],
  ),
  'storageclasses.storage.k8s.io': printer(
    [
      nameColumn,
      column('Provisioner'),
      column('ReclaimPolicy'),
      column('VolumeBindingMode'),
      column('AllowVolumeExpansion'),
      ageColumn,
    ],
    (object, now) => [
      valueAt(object, ['metadata', 'annotations', 'storageclass.kubernetes.io/is-default-class']) === 'true'
        ? `${nameOf(object)} (default)`
        : nameOf(object),
      textAt(object, 'provisioner'),
      textAt(object, 'reclaimPolicy') || 'Delete',
      textAt(object, 'volumeBindingMode') || 'Immediate',
      valueAt(object, ['allowVolumeExpansion']) === true,
      age(object, now),
    ],
  ),
  persistentvolumes: printer(
    [
      nameColumn,
      column('Capacity'),
      column('Access Modes'),
      column('Reclaim Policy'),
      column('Status'),
      column('Claim'),
      column('StorageClass'),
      column('VolumeAttributesClass'),
      column('Reason'),
      ageColumn,
      column('VolumeMode', 'string', 1),
    ],
    (object, now) => [
      nameOf(object),
      shown(valueAt(object, ['spec', 'capacity', 'storage']) ?? ''),
      accessModes(object, 'spec', 'accessModes'),
      textAt(object, 'spec', 'persistentVolumeReclaimPolicy'),
      textAt(object, 'status', 'phase'),
      objectAt(object, 'spec', 'claimRef') === undefined
        ? ''
        : `${textAt(object, 'spec', 'claimRef', 'namespace')}/${textAt(object, 'spec', 'claimRef', 'name')}`,
      textAt(object, 'spec', 'storageClassName'),
      unsetIfEmpty(textAt(object, 'spec', 'volumeAttributesClassName')),
      textAt(object, 'status', 'reason'),
      age(object, now),
      unsetIfEmpty(textAt(object, 'spec', 'volumeMode')),
    ],
  ),
  persistentvolumeclaims: printer(
    [
      nameColumn,
      column('Status'),
      column('Volume'),
      column('Capacity'),
      column('Access Modes'),
      column('StorageClass'),
      column('VolumeAttributesClass'),
      ageColumn,
      column('VolumeMode', 'string', 1),
    ],
    (object, now) => [
      nameOf(object),
      textAt(object, 'status', 'phase'),
      textAt(object, 'spec', 'volumeName'),
      shown(valueAt(object, ['status', 'capacity', 'storage']) ?? ''),
      accessModes(object, 'status', 'accessModes'),
      textAt(object, 'spec', 'storageClassName'),
      unsetIfEmpty(textAt(object, 'spec', 'volumeAttributesClassName')),
      age(object, now),
      unsetIfEmpty(textAt(object, 'spec', 'volumeMode')),
    ],
  ),
  'networkpolicies.networking.k8s.io': printer([nameColumn, column('Pod-Selector'), ageColumn], (object, now) => [
    nameOf(object),
    selectorText(valueAt(object, ['spec', 'podSelector'])),
    age(object, now),
  ]),
  'ingressclasses.networking.k8s.io': printer(
    [nameColumn, column('Controller'), column('Parameters'), ageColumn],
    (object, now) => {
      const parameters = objectAt(object, 'spec', 'parameters');
      const group = textAt(parameters, 'apiGroup');
      return [
        nameOf(object),
        textAt(object, 'spec', 'controller'),
        parameters === undefined
          ? '<none>'
          : `${textAt(parameters, 'kind')}${group === '' ? '' : `.${group}`}/${textAt(parameters, 'name')}`,
        age(object, now),
      ];
    },
  ),
  'certificatesigningrequests.certificates.k8s.io': printer(
    [
      nameColumn,
      ageColumn,
      column('SignerName'),
      column('Requestor'),
      column('RequestedDuration'),
      column('Condition'),
    ],
    (object, now) => {
      const seconds = valueAt(object, ['spec', 'expirationSeconds']);
      return [
        nameOf(object),
        age(object, now),
        noneIfEmpty(textAt(object, 'spec', 'signerName')),
        textAt(object, 'spec', 'username'),
        seconds === undefined ? '<none>' : `${shown(seconds)}s`,
        signingCondition(object),
      ];
    },
  ),
  'clustertrustbundles.certificates.k8s.io': printer([nameColumn, column('SignerName')], (object) => [
    nameOf(object),
    noneIfEmpty(textAt(object, 'spec', 'signerName')),
  ]),
  'controllerrevisions.apps': printer(
    [nameColumn, column('Controller'), column('Revision'), ageColumn],
    (object, now) => [nameOf(object), ownerText(object), count(object, 'revision'), age(object, now)],
  ),
  'mutatingwebhookconfigurations.admissionregistration.k8s.io': webhookPrinter,
  'validatingwebhookconfigurations.admissionregistration.k8s.io': webhookPrinter,
  'validatingadmissionpolicies.admissionregistration.k8s.io': printer(
    [nameColumn, column('Validations', 'integer'), column('ParamKind'), ageColumn],
    (object, now) => [
      nameOf(object),
      listAt(object, 'spec', 'validations').length,
      kindText(valueAt(object, ['spec', 'paramKind'])),
      age(object, now),
    ],
  ),
  'validatingadmissionpolicybindings.admissionregistration.k8s.io': printer(
    [nameColumn, column('PolicyName'), column('ParamRef'), ageColumn],
    (object, now) => {
      const reference = objectAt(object, 'spec', 'paramRef');
      const namespace = textAt(reference, 'namespace');
      const name = textAt(reference, 'name');
      return [
        nameOf(object),
        textAt(object, 'spec', 'policyName'),
        reference === undefined ? '<unset>' : namespace === '' ? name || '*' : `${namespace}/${name || '*'}`,
        age(object, now),
      ];
    },
  ),
};
