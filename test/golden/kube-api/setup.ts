// What the recordings did outside the record: objects made before the first step or between steps. In: scenario and
// step; out: requests to send before that step. Read off the first answers and the notes. Pure data.

/** A request that prepares a step. */
export interface SetupRequest {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  readonly contentType?: string;
  /** Sent while the step (a watch) is running, not before it. */
  readonly during?: boolean;
  /** Not a request: the server forgets old changes or moves its clock by a second; the webhooks go away. */
  readonly command?: 'compact' | 'tick' | 'stop-webhooks';
  /** Binds placeholders to the resourceVersion, uid or continue token of the answer, by their kind. */
  readonly bind?: readonly string[];
}

const widgets = '/apis/golden.example.com/v1/namespaces/golden/widgets';
const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

const widget = (
  name: string,
  metadata: object = {},
  spec: object = {},
  extra: Partial<SetupRequest> = {},
): SetupRequest => ({
  method: 'POST',
  path: widgets,
  body: {
    apiVersion: 'golden.example.com/v1',
    kind: 'Widget',
    metadata: { name, namespace: 'golden', ...metadata },
    spec: { size: 3, ...spec },
  },
  ...extra,
});
const merge = (path: string, body: unknown, extra: Partial<SetupRequest> = {}): SetupRequest => ({
  method: 'PATCH',
  path,
  body,
  contentType: 'application/merge-patch+json',
  ...extra,
});
const remove = (path: string, extra: Partial<SetupRequest> = {}): SetupRequest => ({
  method: 'DELETE',
  path,
  ...extra,
});
const gadget = (name: string): SetupRequest => ({
  method: 'POST',
  path: '/apis/golden.example.com/v1/gadgets',
  body: { apiVersion: 'golden.example.com/v1', kind: 'Gadget', metadata: { name }, spec: { size: 1 } },
});
const configMap = (name: string): SetupRequest => ({
  method: 'POST',
  path: '/api/v1/namespaces/golden/configmaps',
  body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { a: '1' } },
});
const pod = (name: string, spec: object): SetupRequest => ({
  method: 'POST',
  path: '/api/v1/namespaces/golden/pods',
  body: {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: { containers: [{ name: 'c', image: 'i' }], ...spec },
  },
});
const openSchema = {
  openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object', properties: { a: { type: 'string' } } } } },
};
const release = [merge(`${widgets}/a`, { metadata: { finalizers: [] } }), remove(`${widgets}/a`), widget('a')];

const life = (schema: unknown): unknown => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'lifes.golden.example.com' },
  spec: {
    group: 'golden.example.com',
    scope: 'Namespaced',
    names: { plural: 'lifes', singular: 'life', kind: 'Life', listKind: 'LifeList' },
    versions: [{ name: 'v1', served: true, storage: true, schema }],
  },
});

const webhookKinds = {
  mutate: 'MutatingWebhookConfiguration',
  validate: 'ValidatingWebhookConfiguration',
} as const;
const webhookPath = (name: keyof typeof webhookKinds): string =>
  `/apis/admissionregistration.k8s.io/v1/${webhookKinds[name].toLowerCase()}s`;

/** The recorded address is replaced by that of the webhooks of this run, `<ca>` by their certificate authority. */
const webhooksOf = (name: string, failurePolicy: string): object[] => [
  {
    name: `${name}.golden.example.com`,
    clientConfig: { url: `https://127.0.0.1:18443/${name}`, caBundle: '<ca>' },
    rules: [
      {
        apiGroups: ['golden.example.com'],
        apiVersions: ['*'],
        operations: ['CREATE', 'UPDATE', 'DELETE'],
        resources: ['widgets'],
      },
    ],
    failurePolicy,
    sideEffects: 'None',
    admissionReviewVersions: ['v1'],
    timeoutSeconds: 3,
  },
];
const webhookConfiguration = (name: keyof typeof webhookKinds, failurePolicy: string): SetupRequest => ({
  method: 'POST',
  path: webhookPath(name),
  body: {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: webhookKinds[name],
    metadata: { name: 'golden' },
    webhooks: webhooksOf(name, failurePolicy),
  },
});
const ignoreFailure = (name: keyof typeof webhookKinds): SetupRequest =>
  merge(`${webhookPath(name)}/golden`, { webhooks: webhooksOf(name, 'Ignore') });

const rule = (text: string, extra: object = {}): object => ({ rule: text, ...extra });

/** The kind of the CEL scenario: one rule for each of its answers. */
const cel = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'cels.golden.example.com' },
  spec: {
    group: 'golden.example.com',
    scope: 'Namespaced',
    names: { plural: 'cels', singular: 'cel', kind: 'Cel', listKind: 'CelList' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: {
                type: 'object',
                'x-kubernetes-validations': [
                  rule('!has(self.min) || !has(self.max) || self.min <= self.max', { message: 'min over max' }),
                  rule('!has(self.max) || self.max < 100'),
                  rule('!has(self.q) || quantity(self.q).isLessThan(quantity("1Gi"))', {
                    reason: 'FieldValueForbidden',
                    fieldPath: '.q',
                    messageExpression: '"q is " + self.q + ", want less than 1Gi"',
                  }),
                  rule('!has(self.hosts) || self.hosts.all(h, self.hosts.exists_one(i, i == h))', {
                    reason: 'FieldValueDuplicate',
                    message: 'hosts must differ',
                  }),
                ],
                properties: {
                  min: { type: 'integer' },
                  max: { type: 'integer' },
                  q: { type: 'string' },
                  hosts: {
                    type: 'array',
                    items: {
                      type: 'string',
                      'x-kubernetes-validations': [
                        rule("!self.startsWith('*.') || size(self) > 2", { message: 'wildcard too short' }),
                      ],
                    },
                  },
                  m: {
                    type: 'object',
                    additionalProperties: { type: 'integer', 'x-kubernetes-validations': [rule('self > 0')] },
                  },
                  dur: {
                    type: 'string',
                    'x-kubernetes-validations': [rule("duration(self) >= duration('1s')", { message: 'at least 1s' })],
                  },
                  when: { type: 'string', format: 'date-time' },
                  name: {
                    type: 'string',
                    'x-kubernetes-validations': [rule('self == oldSelf', { message: 'name is immutable' })],
                  },
                  once: {
                    type: 'string',
                    'x-kubernetes-validations': [
                      rule('!oldSelf.hasValue() || oldSelf.value() == self', {
                        message: 'set once',
                        optionalOldSelf: true,
                      }),
                    ],
                  },
                  rules: {
                    type: 'array',
                    'x-kubernetes-list-type': 'map',
                    'x-kubernetes-list-map-keys': ['n'],
                    items: {
                      type: 'object',
                      required: ['n'],
                      properties: { n: { type: 'string' }, v: { type: 'integer' } },
                      'x-kubernetes-validations': [
                        rule('!has(oldSelf.v) || has(self.v)', { message: 'v may not be removed' }),
                      ],
                    },
                  },
                },
              },
            },
          },
        },
      },
    ],
  },
};

/** Requests before each step, by scenario; undefined where nothing is noted. `widgetSchema` is the schema of the recorded definition. */
export function setupOf(
  scenario: string,
  widgetSchema: unknown,
): Readonly<Record<number, readonly SetupRequest[]>> | undefined {
  const table: Readonly<Record<string, Readonly<Record<number, readonly SetupRequest[]>>>> = {
    'admission-webhooks': {
      0: [webhookConfiguration('mutate', 'Fail'), webhookConfiguration('validate', 'Fail')],
      11: [{ method: '', path: '', command: 'stop-webhooks' }],
      12: [ignoreFailure('mutate'), ignoreFailure('validate')],
    },
    'cr-cel': { 0: [{ method: 'POST', path: definitions, body: cel }] },
    'cr-schema-errors': { 26: [widget('a')] },
    'crd-lifecycle': {
      0: [{ method: 'POST', path: definitions, body: life(widgetSchema), during: true }],
      6: [
        {
          method: 'POST',
          path: '/apis/golden.example.com/v1/namespaces/golden/lifes',
          body: {
            apiVersion: 'golden.example.com/v1',
            kind: 'Life',
            metadata: { name: 'x', finalizers: ['x.io/f'] },
            spec: { size: 1 },
          },
        },
      ],
      10: [merge('/apis/golden.example.com/v1/namespaces/golden/lifes/x', { metadata: { finalizers: null } })],
    },
    'crd-versions': {
      0: [
        {
          method: 'POST',
          path: definitions,
          body: {
            apiVersion: 'apiextensions.k8s.io/v1',
            kind: 'CustomResourceDefinition',
            metadata: { name: 'vers.golden.example.com' },
            spec: {
              group: 'golden.example.com',
              scope: 'Namespaced',
              names: { plural: 'vers', singular: 'ver', kind: 'Ver', listKind: 'VerList' },
              versions: [
                { name: 'v1', served: true, storage: true, schema: openSchema },
                {
                  name: 'v2',
                  served: true,
                  storage: false,
                  deprecated: true,
                  deprecationWarning: 'use v1',
                  schema: openSchema,
                },
                { name: 'v3', served: false, storage: false, schema: openSchema },
                { name: 'v1beta1', served: true, storage: false, deprecated: true, schema: openSchema },
              ],
            },
          },
        },
      ],
      7: [{ method: 'GET', path: `${definitions}/vers.golden.example.com`, bind: ['<rv:3>', '<uid:2>'] }],
    },
    'delete-collection': {
      0: [
        widget('a', { labels: { l: 'x' } }),
        widget('b', { labels: { l: 'x' } }),
        widget('c', { labels: { l: 'y' } }),
      ],
      3: [widget('f', { finalizers: ['x.io/f'] })],
      5: [merge(`${widgets}/f`, { metadata: { finalizers: null } })],
    },
    'delete-finalizers': { 0: [widget('a', { finalizers: ['x.io/one', 'x.io/two'] })] },
    'delete-graceful-pod': { 0: [pod('p', { nodeName: 'n1', terminationGracePeriodSeconds: 20 })], 7: [pod('q', {})] },
    'delete-preconditions': { 0: [widget('a')] },
    'delete-propagation': {
      0: [widget('a')],
      1: release,
      2: release,
      3: [widget('a')],
      4: release,
      5: release,
      6: release,
      7: [widget('a')],
      8: release,
      10: [widget('a')],
      11: [widget('a')],
      12: release,
      13: release,
    },
    'dry-run': { 2: [widget('a')] },
    'expired-versions': {
      0: [widget('a'), widget('b'), widget('c'), widget('d')],
      1: [
        widget('e'),
        remove(`${widgets}/e`),
        { method: 'GET', path: `${widgets}?limit=2`, bind: ['<continue:2>'] },
        remove(`${widgets}/e2`),
        widget('e2'),
        remove(`${widgets}/e2`),
        { method: '', path: '', command: 'compact' },
      ],
    },
    'field-validation': { 9: [widget('a')] },
    'http-errors': {},
    'list-paging': { 0: [widget('a'), widget('b'), widget('c'), widget('d'), widget('e')], 1: [widget('f')] },
    'patch-json': { 0: [widget('a', {}, { plain: ['x', 'y'], opts: { 'k/1': 'v' } })] },
    'patch-merge': {
      0: [widget('a', { labels: { a: '1', b: '2' } }, { plain: ['x', 'y'], opts: { k: 'v', l: 'w' }, note: 'n' })],
    },
    'patch-strategic': {
      0: [
        {
          method: 'POST',
          path: '/apis/apps/v1/namespaces/golden/deployments',
          body: {
            apiVersion: 'apps/v1',
            kind: 'Deployment',
            metadata: { name: 'd' },
            spec: {
              replicas: 1,
              selector: { matchLabels: { app: 'd' } },
              template: {
                metadata: { labels: { app: 'd' } },
                spec: {
                  containers: [
                    {
                      name: 'c1',
                      image: 'img:1',
                      env: [
                        { name: 'A', value: '1' },
                        { name: 'B', value: '2' },
                      ],
                      ports: [{ containerPort: 80, protocol: 'TCP' }],
                    },
                    { name: 'c2', image: 'img:1' },
                  ],
                },
              },
            },
          },
        },
      ],
    },
    protobuf: { 0: [configMap('p')] },
    'resource-version-reads': {
      0: [widget('a'), widget('b'), widget('c')],
      4: [widget('d')],
    },
    reviews: {
      2: [{ method: 'POST', path: '/api/v1/namespaces/golden/serviceaccounts', body: { metadata: { name: 'sa' } } }],
    },
    'scale-subresource': {
      0: [widget('a'), merge(`${widgets}/a/status`, { status: { replicas: 2, selector: 'app=a' } }), gadget('x')],
    },
    selectors: {
      0: [
        widget('a', { labels: { app: 'x', tier: '1' } }),
        widget('b', { labels: { app: 'y' } }, { color: 'blue' }),
        widget('c'),
      ],
    },
    'status-subresource': { 5: [{ method: '', path: '', command: 'tick' }], 10: [gadget('x')] },
    table: {
      0: [
        widget('a', {}, { color: 'blue' }),
        merge(`${widgets}/a/status`, { status: { conditions: [{ type: 'Ready', status: 'True' }] } }),
        widget('b'),
      ],
      7: [gadget('g')],
    },
    'update-conflict': { 10: [configMap('u')] },
    'watch-basic': {
      0: [widget('a', { labels: { t: '1' } }, {}, { bind: ['<rv:6>'] })],
      1: [
        widget('b', { labels: { t: '1' } }, {}, { during: true }),
        merge(`${widgets}/b`, { spec: { size: 9 } }, { during: true }),
        merge(`${widgets}/b`, { metadata: { labels: { t: '2' } } }, { during: true }),
        merge(`${widgets}/b`, { metadata: { labels: { t: '1' } } }, { during: true }),
        remove(`${widgets}/b`, { during: true }),
      ],
    },
    'watch-list': { 0: [widget('a'), widget('b')] },
  };
  return table[scenario];
}

/** Steps where we differ on purpose, with the reason. */
export const deviations: Readonly<Record<string, string>> = {
  'openapi/4': 'an unknown group is 404 here',
  'openapi/5': 'OpenAPI v2 is not served (spec/local-cluster.md 6)',
  'openapi/6': 'OpenAPI v2 is not served (spec/local-cluster.md 6)',
  'cr-schema-errors/26': 'the record replaced the bad time by a placeholder',
  'crd-validation/26': 'refused too, in the words of our parser',
  'crd-validation/27': 'CEL rules are parsed, not type-checked',
  'crd-validation/28': 'CEL rules are parsed, not type-checked',
  'crd-validation/29': 'CEL rules are parsed, not type-checked',
  'crd-validation/30': 'CEL rules have no cost limit',
  'crd-validation/33': 'CEL rules have no cost limit',
  'openapi/1': 'documents hold what clients read: schemas, kinds and the parameters of writes',
  'openapi/2': 'documents are published as JSON only',
  'openapi/0': 'only documents of groups are published, not those of /api, /apis and /version',
  'discovery-plain/0': 'the version is ours; clients must be able to parse it',
  'discovery-plain/10': 'the index names our own paths',
  'health/6': 'the index names our own paths',
  'http-errors/2': 'the index names our own paths',
};

/** Scenarios for parts of the API that are not built yet, with the reason. */
export const notYet: Readonly<Record<string, string>> = {};
