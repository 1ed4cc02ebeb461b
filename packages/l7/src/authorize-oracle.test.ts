// The matcher of policies against one that is as plain as the specification (goal R7 of performance-and-reliability 6.2; 4.3 rows on
// method case, path normalisation, host case and values as patterns): the same verdict for random policies and requests, and for each
// way to write the same request.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { AuthzPolicy_Action, type Policy, PolicySchema } from '@ambit/proto/waypoint';
import fc from 'fast-check';
import { compileAuthorizer } from './authorize.ts';
import { HeaderList } from './header-list.ts';
import { normalizePath } from './normalize-path.ts';
import { peerFactsOf, type RequestView } from './request-view.ts';

const { ALLOW, DENY } = AuthzPolicy_Action;

type Form = 'exact' | 'prefix' | 'suffix' | 'present';
interface Value {
  readonly form: Form;
  readonly text: string;
}
interface RuleText {
  readonly namespaces: readonly Value[];
  readonly notNamespaces: readonly Value[];
  readonly hosts: readonly Value[];
  readonly methods: readonly Value[];
  readonly notMethods: readonly Value[];
  readonly paths: readonly Value[];
  readonly notPaths: readonly Value[];
  readonly ports: readonly number[];
  readonly role: readonly Value[];
}
interface PolicyText {
  readonly isDeny: boolean;
  readonly rules: readonly RuleText[];
}

/** Few texts, so that much of it meets; characters of patterns among them, which must mean nothing. */
const texts = {
  namespace: ['web', 'web-2', 'w.b', 'api'],
  host: ['a.example', 'A.Example:80', '.*', 'b'],
  method: ['GET', 'POST', 'get', 'DELETE'],
  path: ['/', '/admin', '/admin/', '/admin/x', '/a.min', '/ADMIN', '/admin+'],
  role: ['admin', 'user', 'a', '.*'],
};
const valueOf = (list: readonly string[]): fc.Arbitrary<Value> =>
  fc.record({
    form: fc.constantFrom<Form>('exact', 'exact', 'prefix', 'suffix', 'present'),
    text: fc.constantFrom(...list, ...list.map((text) => text.slice(0, 2)), ...list.map((text) => text.slice(-2))),
  });
const some = (list: readonly string[]): fc.Arbitrary<readonly Value[]> =>
  fc.oneof(
    { weight: 3, arbitrary: fc.constant([]) },
    { weight: 2, arbitrary: fc.array(valueOf(list), { maxLength: 2 }) },
  );
const ruleText: fc.Arbitrary<RuleText> = fc.record({
  namespaces: some(texts.namespace),
  notNamespaces: some(texts.namespace),
  hosts: some(texts.host),
  methods: some(texts.method),
  notMethods: some(texts.method),
  paths: some(texts.path),
  notPaths: some(texts.path),
  ports: fc.oneof(fc.constant([]), fc.constant([80]), fc.constant([81, 82])),
  role: some(texts.role),
});
const policyText: fc.Arbitrary<PolicyText> = fc.record({
  isDeny: fc.boolean(),
  rules: fc.array(ruleText, { maxLength: 3 }),
});

const match = ({ form, text }: Value) => ({ m: { case: form, value: form === 'present' ? true : text } }) as never;
const policyOf = ({ isDeny, rules }: PolicyText): Policy =>
  create(PolicySchema, {
    body: {
      case: 'authz',
      value: {
        action: isDeny ? DENY : ALLOW,
        rules: rules.map((rule, index) => ({
          id: String(index),
          from: [{ namespaces: rule.namespaces.map(match), notNamespaces: rule.notNamespaces.map(match) }],
          to: [
            {
              hosts: rule.hosts.map(match),
              methods: rule.methods.map(match),
              notMethods: rule.notMethods.map(match),
              paths: rule.paths.map(match),
              notPaths: rule.notPaths.map(match),
              ports: [...rule.ports],
            },
          ],
          when: rule.role.length === 0 ? [] : [{ key: 'request.headers[x-role]', values: rule.role.map(match) }],
        })),
      },
    },
  });

/** As the specification says it (4.1.2, 4.1.3), one line per rule of it. */
const holds = ({ form, text }: Value, value: string | undefined, ignoresCase = false): boolean => {
  if (value === undefined) return false;
  const [wanted, found] = ignoresCase ? [text.toLowerCase(), value.toLowerCase()] : [text, value];
  if (form === 'present') return found !== '';
  if (form === 'exact') return found === wanted;
  return form === 'prefix' ? found.startsWith(wanted) : found.endsWith(wanted);
};
const fits = (values: readonly Value[], value: string | undefined, ignoresCase = false): boolean =>
  values.length === 0 || values.some((one) => holds(one, value, ignoresCase));
const fitsNot = (values: readonly Value[], value: string | undefined): boolean =>
  !values.some((one) => holds(one, value));
const ruleHolds = (rule: RuleText, request: RequestView): boolean =>
  fits(rule.namespaces, request.peer.namespace) &&
  fitsNot(rule.notNamespaces, request.peer.namespace) &&
  fits(rule.hosts, request.authority, true) &&
  fits(rule.methods, request.method) &&
  fitsNot(rule.notMethods, request.method) &&
  fits(rule.paths, request.path) &&
  fitsNot(rule.notPaths, request.path) &&
  (rule.ports.length === 0 || rule.ports.includes(request.port)) &&
  fits(rule.role, request.headers.get('x-role'));
const oracle = (policies: readonly PolicyText[], request: RequestView): boolean => {
  const any = (isDeny: boolean): boolean =>
    policies.some((policy) => policy.isDeny === isDeny && policy.rules.some((rule) => ruleHolds(rule, request)));
  if (any(true)) return false;
  return policies.every(({ isDeny }) => isDeny) || any(false);
};

const verdict = (policies: readonly Policy[], request: RequestView): boolean => {
  const refs = policies.map((_one, index) => ({
    policy: String(index),
    phase: 0,
    ports: [],
    failClosedIfMissing: true,
  }));
  const lookup = (key: string) => policies[Number(key)];
  return compileAuthorizer({ refs: refs as never, lookup, protocol: 'http', port: 80 }).authorize(request).allow;
};

const requests: fc.Arbitrary<RequestView> = fc
  .record({
    namespace: fc.constantFrom(...texts.namespace, undefined),
    method: fc.constantFrom('GET', 'POST', 'DELETE'),
    authority: fc.constantFrom(...texts.host, 'other'),
    path: fc.constantFrom(...texts.path, '/x'),
    role: fc.constantFrom(...texts.role, undefined),
    port: fc.constantFrom(80, 81),
  })
  .map(({ namespace, method, authority, path, role, port }) => ({
    peer: peerFactsOf(namespace === undefined ? undefined : `spiffe://cluster.local/ns/${namespace}/sa/a`),
    sourceIp: '10.0.0.1',
    remoteIp: '10.0.0.1',
    destinationIp: undefined,
    port,
    sni: undefined,
    method,
    scheme: 'http',
    authority,
    path,
    query: undefined,
    headers: HeaderList.fromRaw(role === undefined ? [] : ['x-role', role]),
  }));
const pools = fc.array(policyText, { maxLength: 3 });

test('the verdict is that of the specification, whatever the policies and the request', () => {
  fc.assert(
    fc.property(pools, fc.array(requests, { minLength: 1, maxLength: 5 }), (pool, list) => {
      const policies = pool.map(policyOf);
      for (const request of list) assert.equal(verdict(policies, request), oracle(pool, request));
    }),
    { numRuns: 5000 },
  );
});

test('no other spelling of a host or a header name changes a verdict', () => {
  fc.assert(
    fc.property(pools, requests, (pool, request) => {
      const policies = pool.map(policyOf);
      const before = verdict(policies, request);
      const role = request.headers.get('x-role');
      const headers = HeaderList.fromRaw(role === undefined ? [] : ['X-ROLE', role]);
      for (const authority of [request.authority.toUpperCase(), request.authority.toLowerCase()])
        assert.equal(verdict(policies, { ...request, authority, headers }), before);
    }),
    { numRuns: 2000 },
  );
});

/** Ways to write a path that all mean the same. */
const spellings: readonly ((path: string) => string)[] = [
  (path) => `/./${path.slice(1)}`,
  (path) => `/x/..${path}`,
  (path) => `/%2e${path}`,
  (path) => path.replaceAll('a', '%61'),
  (path) => path.replaceAll('/', '\\').replace('\\', '/'),
];

test('no other spelling of a path gets by a policy', () => {
  fc.assert(
    fc.property(pools, requests, fc.constantFrom(...spellings), (pool, request, spell) => {
      const policies = pool.map(policyOf);
      const plain = normalizePath(request.path, 'base');
      const other = normalizePath(spell(request.path), 'base');
      assert.ok(plain.ok && other.ok);
      assert.equal(other.path, plain.path, 'policies, routes and the backend see one path');
      assert.equal(
        verdict(policies, { ...request, path: other.path }),
        verdict(policies, { ...request, path: plain.path }),
      );
    }),
    { numRuns: 2000 },
  );
});
