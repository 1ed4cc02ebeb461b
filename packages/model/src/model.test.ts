import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { KubernetesObject } from '@ambit/resources';
import { testNamespace, testPod, testService } from '@ambit/resources/testing';
import {
  ADDRESS_TYPE_URL,
  BACKEND_TYPE_URL,
  FRONTEND_TYPE_URL,
  LISTENER_TYPE_URL,
  POLICY_TYPE_URL,
  ROUTE_TABLE_TYPE_URL,
  SECRET_TYPE_URL,
} from '@ambit/proto/type-urls';
import { AuthorizationSchema } from '@ambit/proto/authorization';
import { BackendSchema, PolicySchema, RouteTableSchema, SecretSchema } from '@ambit/proto/waypoint';
import { fromBinary } from '@bufbuild/protobuf';
import { Model, modelOptions, type ObjectChange } from './index.ts';
import { testModel } from './testing/index.ts';

const gateway: KubernetesObject = {
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'Gateway',
  metadata: { name: 'wp', namespace: 'apps' },
  spec: { gatewayClassName: 'istio-waypoint', listeners: [{ name: 'mesh', port: 15008, protocol: 'HBONE' }] },
  status: { addresses: [{ type: 'Hostname', value: 'wp.apps.svc.cluster.local' }] },
};
const policy = (name: string, spec: object): KubernetesObject => ({
  apiVersion: 'security.istio.io/v1',
  kind: 'AuthorizationPolicy',
  metadata: { name, namespace: 'apps' },
  spec,
});
const peerAuthentication = (namespace: string, mode: string): KubernetesObject => ({
  apiVersion: 'security.istio.io/v1',
  kind: 'PeerAuthentication',
  metadata: { name: 'default', namespace },
  spec: { mtls: { mode } },
});
const authentication = (name: string, spec: object): KubernetesObject => ({
  apiVersion: 'security.istio.io/v1',
  kind: 'RequestAuthentication',
  metadata: { name, namespace: 'apps' },
  spec,
});
const slice = (name: string, pod: string): KubernetesObject => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name, namespace: 'apps', labels: { 'kubernetes.io/service-name': 'manual' } },
  addressType: 'IPv4',
  endpoints: [
    { addresses: ['10.0.0.2'], targetRef: { kind: 'Pod', namespace: 'apps', name: pod, uid: `uid-apps-${pod}` } },
    { addresses: ['192.0.2.7'] },
  ],
  ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
});
const route: KubernetesObject = {
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'HTTPRoute',
  metadata: { name: 'r', namespace: 'apps' },
  spec: {
    parentRefs: [{ group: '', kind: 'Service', name: 'web' }],
    rules: [{ backendRefs: [{ name: 'manual', port: 80 }] }],
  },
};
const virtualService: KubernetesObject = {
  apiVersion: 'networking.istio.io/v1',
  kind: 'VirtualService',
  metadata: { name: 'vs', namespace: 'apps' },
  spec: {
    hosts: ['web'],
    http: [
      {
        match: [{ uri: { prefix: '/a' }, withoutHeaders: { 'X-No': {} } }, { sourceLabels: { app: 'x' } }],
        rewrite: { uri: '/' },
        retries: { attempts: 0 },
        route: [
          { destination: { host: 'web', subset: 'v2' }, weight: 30 },
          { destination: { host: 'nobody' }, weight: 70 },
        ],
      },
    ],
  },
};
const destinationRule: KubernetesObject = {
  apiVersion: 'networking.istio.io/v1',
  kind: 'DestinationRule',
  metadata: { name: 'dr', namespace: 'apps' },
  spec: {
    host: 'web',
    trafficPolicy: {
      connectionPool: { tcp: { maxConnections: 5, connectTimeout: '3s' } },
      portLevelSettings: [{ port: { number: 81 }, loadBalancer: { simple: 'RANDOM' } }],
    },
    subsets: [{ name: 'v2', labels: { version: 'v2' }, trafficPolicy: { loadBalancer: { simple: 'ROUND_ROBIN' } } }],
  },
};
const entry: KubernetesObject = {
  apiVersion: 'networking.istio.io/v1',
  kind: 'ServiceEntry',
  metadata: { name: 'ext', namespace: 'apps' },
  spec: {
    hosts: ['web.apps.svc.cluster.local', 'ext.example'],
    resolution: 'DNS',
    ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
  },
};

const pool: readonly KubernetesObject[] = [
  testNamespace('apps', { 'istio.io/use-waypoint': 'wp' }),
  testNamespace('istio-system', { 'topology.istio.io/network': 'n1' }),
  testPod('apps', 'web-1', '10.0.0.1', { labels: { app: 'web' } }),
  testPod('apps', 'web-2', '10.0.0.2', { labels: { app: 'web', version: 'v2' } }),
  testPod('apps', 'wp-1', '10.0.0.3', { labels: { 'gateway.networking.k8s.io/gateway-name': 'wp' } }),
  testService('apps', 'web', '10.96.0.1', { app: 'web' }),
  testService('apps', 'manual', '10.96.0.2', {}),
  { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-a', labels: { 'topology.kubernetes.io/region': 'r' } } },
  gateway,
  policy('l4', { selector: { matchLabels: { app: 'web' } }, action: 'DENY', rules: [{}] }),
  policy('l7', {
    targetRefs: [{ kind: 'Service', group: '', name: 'web' }],
    rules: [{ to: [{ operation: { methods: ['GET'] } }] }],
  }),
  policy('gw', {
    targetRefs: [{ kind: 'Gateway', group: 'gateway.networking.k8s.io', name: 'wp' }],
    action: 'DENY',
    rules: [{}],
  }),
  authentication('jwt', {
    targetRefs: [{ kind: 'Gateway', group: 'gateway.networking.k8s.io', name: 'wp' }],
    jwtRules: [
      { issuer: 'a', jwks: '{"keys":[]}' },
      { issuer: 'b', jwksUri: 'https://b.example/keys' },
    ],
  }),
  peerAuthentication('istio-system', 'STRICT'),
  peerAuthentication('apps', 'PERMISSIVE'),
  slice('manual-a', 'web-2'),
  route,
  virtualService,
  destinationRule,
  entry,
];

/** Everything that a model publishes, as comparable text. */
function published(model: Model): string {
  const lines = [...model.addresses.all()].map((r) => `${r.name} ${r.version}`);
  for (const r of model.authorizations.values()) lines.push(`${r.name} ${r.version}`);
  for (const typeUrl of [
    BACKEND_TYPE_URL,
    ROUTE_TABLE_TYPE_URL,
    FRONTEND_TYPE_URL,
    LISTENER_TYPE_URL,
    POLICY_TYPE_URL,
    SECRET_TYPE_URL,
  ]) {
    for (const name of model.config.names(typeUrl)) {
      lines.push(
        `${typeUrl} ${name} ${model.config.get(typeUrl, name)?.version ?? ''} ${model.config.isVisible('apps/wp', typeUrl, name)}`,
      );
    }
  }
  for (const c of model.conditions()) if (c.conditions.length > 0) lines.push(JSON.stringify(c));
  for (const s of model.statuses()) lines.push(JSON.stringify(s));
  return lines.toSorted((a, b) => (a < b ? -1 : 1)).join('\n');
}

const changeOf = (object: KubernetesObject, isDelete: boolean): ObjectChange =>
  isDelete
    ? {
        type: 'delete',
        kind: object.kind ?? '',
        namespace: object.metadata?.namespace ?? '',
        name: object.metadata?.name ?? '',
      }
    : { type: 'upsert', object };

test('the result of any history is the result of what is left at its end', () => {
  const step = fc.record({ object: fc.constantFrom(...pool), isDelete: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const incremental = new Model(modelOptions());
      const left = new Map<string, KubernetesObject>();
      for (const { object, isDelete } of steps) {
        const key = `${object.kind ?? ''} ${object.metadata?.namespace ?? ''}/${object.metadata?.name ?? ''}`;
        if (isDelete) left.delete(key);
        else left.set(key, object);
        incremental.apply([changeOf(object, isDelete)]);
      }
      assert.equal(published(incremental), published(testModel([...left.values()])));
    }),
    { numRuns: 150 },
  );
});

test('the order in which objects come does not matter', () => {
  const expected = published(testModel(pool));
  fc.assert(
    fc.property(fc.shuffledSubarray([...pool], { minLength: pool.length }), (order) => {
      assert.equal(published(testModel(order)), expected);
    }),
    { numRuns: 50 },
  );
});

test('a pod that becomes ready changes only itself', () => {
  const model = testModel(pool);
  const pod = testPod('apps', 'web-1', '10.0.0.1', { labels: { app: 'web' } });
  const diff = model.apply([{ type: 'upsert', object: { ...pod, status: { ...pod.status, conditions: [] } } }]);
  assert.deepEqual([...diff.addresses.updated], ['Kubernetes//Pod/apps/web-1']);
  assert.equal(diff.authorizations.updated.size + diff.config.size + diff.conditions.length, 0);
});

test('a broken policy keeps its last good form, and one that was never good allows nothing', () => {
  const model = testModel([...pool, policy('p', { action: 'DENY', rules: [{}] })]);
  const good = model.authorizations.get('apps/p')?.version;
  model.apply([{ type: 'upsert', object: policy('p', { action: 'NEVER' }) }]);
  assert.equal(model.authorizations.get('apps/p')?.version, good);
  model.apply([{ type: 'upsert', object: policy('q', { rules: 'all', selector: { matchLabels: { app: 'web' } } }) }]);
  const message = fromBinary(AuthorizationSchema, model.authorizations.get('apps/q')?.bytes ?? new Uint8Array());
  assert.deepEqual([message.action, message.scope, message.groups.length], [0, 2, 0]);
  assert.deepEqual(
    model.problems().map((p) => p.subject),
    ['AuthorizationPolicy apps/p', 'AuthorizationPolicy apps/q'],
  );
});

test('a policy whose status istiod wrote, with generations as text, still allows what it says', () => {
  const condition = { type: 'ZtunnelAccepted', status: 'True', reason: 'Accepted', observedGeneration: '1' };
  const from = [{ source: { namespaces: ['apps'] } }];
  const written = {
    ...policy('p', { rules: [{ from }] }),
    status: { conditions: [condition], observedGeneration: '1' },
  };
  const model = testModel([...pool, written]);
  const message = fromBinary(AuthorizationSchema, model.authorizations.get('apps/p')?.bytes ?? new Uint8Array());
  assert.equal(message.groups.length, 1);
  assert.deepEqual(model.problems(), []);
});

test('a waypoint sees its services and nothing of others', () => {
  const model = testModel([...pool, { ...gateway, metadata: { name: 'other', namespace: 'apps' } }]);
  const web = 'apps/web.apps.svc.cluster.local';
  assert.ok(model.config.isVisible('apps/wp', FRONTEND_TYPE_URL, web));
  assert.ok(model.config.isVisible('apps/wp', ADDRESS_TYPE_URL, web));
  assert.ok(model.config.isVisible('apps/wp', POLICY_TYPE_URL, 'AuthorizationPolicy/apps/gw'));
  assert.equal(model.config.isVisible('apps/other', FRONTEND_TYPE_URL, web), false);
  assert.equal(model.config.isVisible('apps/other', POLICY_TYPE_URL, 'AuthorizationPolicy/apps/gw'), false);
});

const jwtPolicyOf = (model: Model, name: string) =>
  fromBinary(
    PolicySchema,
    model.config.get(POLICY_TYPE_URL, `RequestAuthentication/apps/${name}`)?.bytes ?? new Uint8Array(),
  ).body;

test('a request authentication becomes rules, and its inline keys a secret of the waypoints it holds for', () => {
  const model = testModel([
    ...pool,
    authentication('j', {
      targetRefs: [{ kind: 'Service', group: '', name: 'web' }],
      jwtRules: [
        {
          issuer: 'https://issuer.example',
          audiences: ['web'],
          jwks: '{"keys":[]}',
          fromHeaders: [{ name: 'x-token', prefix: 'Key ' }],
          fromCookies: ['token'],
          outputClaimToHeaders: [{ header: 'x-group', claim: 'realm.group' }],
          forwardOriginalToken: true,
          timeout: '2s',
        },
      ],
    }),
  ]);
  const body = jwtPolicyOf(model, 'j');
  assert.equal(body.case, 'jwt');
  const rule = body.case === 'jwt' ? body.value.rules[0] : undefined;
  assert.equal(rule?.jwksSecret, 'RequestAuthentication/apps/j/0');
  assert.deepEqual(rule.fromHeaders[0]?.value?.m, { case: 'prefix', value: 'Key ' });
  assert.deepEqual(rule.claimHeaders[0]?.path, ['realm', 'group']);
  assert.deepEqual([rule.forward, rule.timeout?.seconds, rule.fromCookies], [true, 2n, ['token']]);
  const secret = model.config.get(SECRET_TYPE_URL, rule.jwksSecret);
  const keys = fromBinary(SecretSchema, secret?.bytes ?? new Uint8Array()).body;
  assert.equal(keys.case === 'jwks' && keys.value.json, '{"keys":[]}');
  assert.ok(model.config.isVisible('apps/wp', SECRET_TYPE_URL, rule.jwksSecret));
  assert.equal(model.config.isVisible('apps/other', SECRET_TYPE_URL, rule.jwksSecret), false);
});

test('a request authentication that cannot be used denies what it covers', () => {
  const target = { targetRefs: [{ kind: 'Service', group: '', name: 'web' }] };
  for (const jwtRules of [[{ jwks: '{}' }], [{ jwksUri: 'file:///keys' }], 'none']) {
    const model = testModel([...pool, authentication('bad', { ...target, jwtRules })]);
    assert.equal(jwtPolicyOf(model, 'bad').case, 'invalid');
    assert.ok(model.config.isVisible('apps/wp', POLICY_TYPE_URL, 'RequestAuthentication/apps/bad'));
  }
});

test('sessions of a rule reach the waypoint, in a cookie named after the rule unless it has a name', () => {
  const rule = (sessionPersistence: object) => ({
    ...route,
    spec: { ...(route['spec'] as object), rules: [{ backendRefs: [{ name: 'web', port: 80 }], sessionPersistence }] },
  });
  const sessionIn = (sessionPersistence: object) => {
    const model = testModel(
      pool.map((object) => (object === route ? rule(sessionPersistence) : object)) as typeof pool,
    );
    const resource = model.config.get(ROUTE_TABLE_TYPE_URL, 'apps/web.apps.svc.cluster.local:80');
    return fromBinary(RouteTableSchema, resource?.bytes ?? new Uint8Array()).routes[0]?.session;
  };
  const header = sessionIn({ type: 'Header', sessionName: 'x-s', absoluteTimeout: '1h', idleTimeout: '5m' });
  assert.deepEqual(
    [header?.type, header?.name, header?.absolute?.seconds, header?.idle?.seconds],
    [1, 'x-s', 3600n, 300n],
  );
  const cookie = sessionIn({ cookieConfig: { lifetimeType: 'Permanent' }, absoluteTimeout: '1h' });
  assert.deepEqual([cookie?.type, cookie?.permanentCookie], [0, true]);
  assert.match(cookie?.name ?? '', /^session-apps-/);
});

const backendOf = (model: Model, name: string) =>
  fromBinary(BackendSchema, model.config.get(BACKEND_TYPE_URL, name)?.bytes ?? new Uint8Array());

test('routes of consumers alone leave the requests of everybody else as they are', () => {
  const consumers = {
    ...route,
    metadata: { name: 'r', namespace: 'shop' },
    spec: {
      parentRefs: [{ group: '', kind: 'Service', name: 'web', namespace: 'apps' }],
      rules: [{ backendRefs: [{ name: 'manual', namespace: 'apps', port: 80 }] }],
    },
  };
  const tableWith = (routes: readonly KubernetesObject[]): unknown => {
    const others = pool.filter((object) => object !== route && object !== virtualService);
    const resource = testModel([...others, ...routes]).config.get(
      ROUTE_TABLE_TYPE_URL,
      'apps/web.apps.svc.cluster.local:80',
    );
    const { routes: rows } = fromBinary(RouteTableSchema, resource?.bytes ?? new Uint8Array());
    return rows.map(({ name, origin, matches }) => [name, origin?.namespace, matches[0]?.sourceNamespaces]);
  };
  const ours = ['shop.r.0', 'shop', ['shop']];
  assert.deepEqual(tableWith([consumers]), [ours, ['default', 'apps', undefined]]);
  assert.deepEqual(tableWith([consumers, route]), [['apps.r.0', 'apps', []], ours]);
});

test('a virtual service routes to subsets, and what nobody defines has no backend', () => {
  const model = testModel(pool.filter((object) => object !== route));
  const key = 'apps/web.apps.svc.cluster.local';
  const resource = model.config.get(ROUTE_TABLE_TYPE_URL, `${key}:80`);
  const { routes } = fromBinary(RouteTableSchema, resource?.bytes ?? new Uint8Array());
  assert.equal(routes.length, 1); // labels of clients are unknown: that match is gone
  const [first] = routes;
  assert.equal(first?.retry?.attempts, 0);
  assert.deepEqual(first.rewrite?.path, { case: 'prefix', value: '/' });
  assert.deepEqual(
    first.matches[0]?.headers.map(({ name, present, invert }) => [name, present, invert]),
    [['x-no', true, true]],
  );
  const targets = first.action.case === 'forward' ? first.action.value.targets : [];
  const [known = '', unknown = ''] = targets.map((t) => t.backend);
  assert.deepEqual([known, unknown], [`${key}/80/v2`, 'apps/nobody.apps.svc.cluster.local/80']);
  assert.equal(model.config.get(BACKEND_TYPE_URL, unknown), undefined);
  assert.deepEqual(backendOf(model, known).members, ['Kubernetes//Pod/apps/web-2']);
});

test('a subset changes blocks of its rule, and settings of a port replace them all', () => {
  const model = testModel(pool);
  const subset = backendOf(model, 'apps/web.apps.svc.cluster.local/80/v2');
  assert.deepEqual([subset.lb?.algo, subset.pool?.maxConnections, subset.pool?.connect?.seconds], [1, 5, 3n]);
  const ports = { spec: { ports: [{ name: 'http', port: 81 }], selector: { app: 'web' } } };
  const other = testModel([...pool, { ...testService('apps', 'web', '10.96.0.1', { app: 'web' }), ...ports }]);
  const atPort = backendOf(other, 'apps/web.apps.svc.cluster.local/81');
  assert.deepEqual([atPort.lb?.algo, atPort.pool], [2, undefined]);
});

test('a pod that becomes ready does not touch subsets, another label does', () => {
  const model = testModel(pool);
  const labels = { app: 'web', version: 'v2' };
  const pod = testPod('apps', 'web-2', '10.0.0.2', { labels });
  const ready = model.apply([{ type: 'upsert', object: { ...pod, status: { ...pod.status, conditions: [] } } }]);
  assert.equal(ready.config.size, 0);
  const moved = testPod('apps', 'web-2', '10.0.0.2', { labels: { app: 'web', version: 'v3' } });
  const diff = model.apply([{ type: 'upsert', object: moved }]);
  assert.ok(diff.config.get(BACKEND_TYPE_URL)?.has('apps/web.apps.svc.cluster.local/80/v2'));
});
