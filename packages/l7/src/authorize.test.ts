import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { AuthzPolicy_Action, type AuthzRuleSchema, type Policy, PolicySchema } from '@ambit/proto/waypoint';
import { compileAuthorizer } from './authorize.ts';
import { HeaderList } from './header-list.ts';
import { type PeerFacts, peerFactsOf, type RequestView } from './request-view.ts';

const { ALLOW, DENY, AUDIT } = AuthzPolicy_Action;
type Rule = MessageInitShape<typeof AuthzRuleSchema>;
const exact = (value: string) => ({ m: { case: 'exact' as const, value } });
const prefix = (value: string) => ({ m: { case: 'prefix' as const, value } });
const suffix = (value: string) => ({ m: { case: 'suffix' as const, value } });
const present = { m: { case: 'present' as const, value: true } };

const policy = (action: AuthzPolicy_Action, rules: Rule[], name = 'p'): Policy =>
  create(PolicySchema, { meta: { namespace: 'apps', name }, body: { case: 'authz', value: { action, rules } } });

const request = (overrides: Partial<RequestView> & { raw?: string[] } = {}): RequestView => ({
  peer: peerFactsOf('spiffe://cluster.local/ns/clients/sa/curl'),
  sourceIp: '10.1.2.3',
  remoteIp: '192.168.0.1',
  destinationIp: '10.96.0.1',
  port: 80,
  sni: undefined,
  method: 'GET',
  scheme: 'http',
  authority: 'Reviews:80',
  path: '/public/x',
  query: undefined,
  headers: HeaderList.fromRaw(overrides.raw ?? []),
  ...overrides,
});

const decide = (
  policies: Record<string, Policy | undefined>,
  subject = request(),
  protocol: 'http' | 'tcp' = 'http',
) => {
  const refs = Object.keys(policies).map((key) => ({ policy: key, phase: 0, ports: [], failClosedIfMissing: true }));
  const lookup = (key: string) => policies[key];
  const authorizer = compileAuthorizer({ refs: refs as never, lookup, protocol, port: 80 });
  const verdict = authorizer.authorize(subject);
  return verdict.allow ? 'allow' : verdict.policy;
};

const allows = (rule: Rule, subject = request()): boolean => decide({ p: policy(ALLOW, [rule]) }, subject) === 'allow';

describe('the pool of policies', () => {
  test('allows when nothing is attached', () => assert.equal(decide({}), 'allow'));
  test('ALLOW without rules denies everything', () => assert.equal(decide({ p: policy(ALLOW, []) }), 'none'));
  test('DENY without rules denies nothing', () => assert.equal(decide({ p: policy(DENY, []) }), 'allow'));
  test('an empty rule matches everything', () => {
    assert.equal(decide({ p: policy(ALLOW, [{}]) }), 'allow');
    assert.equal(decide({ p: policy(DENY, [{}]) }), 'ns[apps]-policy[p]-rule[0]');
  });
  test('DENY wins over ALLOW', () => {
    assert.equal(decide({ a: policy(ALLOW, [{}], 'a'), d: policy(DENY, [{}], 'd') }), 'ns[apps]-policy[d]-rule[0]');
  });
  test('AUDIT decides nothing', () => assert.equal(decide({ p: policy(AUDIT, [{}]) }), 'allow'));
  test('dry run decides nothing', () => {
    const dry = create(PolicySchema, { ...policy(DENY, [{}]), dryRun: true });
    assert.equal(decide({ p: dry }), 'allow');
  });
  test('a missing policy denies', () => assert.equal(decide({ gone: undefined }), 'gone'));
  test('an invalid policy denies', () => {
    assert.equal(decide({ p: create(PolicySchema, { body: { case: 'invalid', value: {} } }) }), 'p');
  });
  test('a policy of a kind that nobody enforces yet denies', () => {
    assert.equal(decide({ p: create(PolicySchema, { body: { case: 'extension', value: {} } }) }), 'p');
    assert.equal(decide({ p: policy(AuthzPolicy_Action.CUSTOM, [{}]) }), 'p');
  });
  test('a policy with an unknown field denies', () => {
    const known = policy(ALLOW, [{}]);
    assert.equal(
      decide({ p: { ...known, $unknown: [{ no: 99, wireType: 0, data: new Uint8Array() }] } as Policy }),
      'p',
    );
  });
  test('a policy with a bad pattern denies', () => {
    const bad = policy(DENY, [{ to: [{ paths: [{ m: { case: 'regex', value: '(' } }] }] }]);
    assert.equal(decide({ p: bad }), 'p');
  });
  test('a reference that lists other ports does not count', () => {
    const refs = [{ policy: 'p', phase: 0, ports: [81], failClosedIfMissing: true }];
    const authorizer = compileAuthorizer({ refs: refs as never, lookup: () => undefined, protocol: 'http', port: 80 });
    assert.equal(authorizer.authorize(request()).allow, true);
  });
});

describe('a rule', () => {
  const from = (source: object): Rule => ({ from: [source] });
  const to = (operation: object): Rule => ({ to: [operation] });
  const when = (condition: object): Rule => ({ when: [condition] as never });
  const nobody: PeerFacts = peerFactsOf(undefined);
  const cidr = (bytes: number[], length: number) => ({ address: new Uint8Array(bytes), length });
  const cases: [string, Rule, RequestView, boolean][] = [
    ['principal without scheme', from({ principals: [exact('cluster.local/ns/clients/sa/curl')] }), request(), true],
    [
      'principal with scheme',
      from({ principals: [exact('spiffe://cluster.local/ns/clients/sa/curl')] }),
      request(),
      true,
    ],
    ['principal prefix', from({ principals: [prefix('cluster.local/ns/clients/')] }), request(), true],
    ['principal suffix', from({ principals: [suffix('/sa/curl')] }), request(), true],
    ['other principal', from({ principals: [exact('cluster.local/ns/clients/sa/other')] }), request(), false],
    ['any principal', from({ principals: [present] }), request(), true],
    ['any principal refuses nobody', from({ principals: [present] }), request({ peer: nobody }), false],
    ['not principal holds for nobody', from({ notPrincipals: [exact('x')] }), request({ peer: nobody }), true],
    ['namespace', from({ namespaces: [exact('clients')] }), request(), true],
    ['namespace is not a pattern', from({ namespaces: [exact('clie.ts')] }), request(), false],
    ['service account', from({ serviceAccounts: [{ namespace: 'clients', name: 'curl' }] }), request(), true],
    ['service account of the policy namespace', from({ serviceAccounts: [{ name: 'curl' }] }), request(), false],
    ['source address', from({ ips: [cidr([10, 1, 0, 0], 16)] }), request(), true],
    ['excluded source address', from({ notIps: [cidr([10, 0, 0, 0], 8)] }), request(), false],
    ['mapped address', from({ ips: [cidr([10, 1, 0, 0], 16)] }), request({ sourceIp: '::ffff:10.1.2.3' }), true],
    ['remote address', from({ remoteIps: [cidr([10, 1, 0, 0], 16)] }), request(), false],
    ['request principal without token', from({ requestPrincipals: [present] }), request(), false],
    [
      'request principal',
      from({ requestPrincipals: [exact('me/you')] }),
      request({ claims: { iss: 'me', sub: 'you' } }),
      true,
    ],
    ['host without case', to({ hosts: [exact('reviews:80')] }), request(), true],
    ['method', to({ methods: [exact('POST')] }), request(), false],
    ['path prefix', to({ paths: [prefix('/public/')] }), request(), true],
    ['excluded path', to({ paths: [prefix('/public/')], notPaths: [exact('/public/x')] }), request(), false],
    ['path template', to({ paths: [exact('/public/{*}')] }), request(), true],
    [
      'path template takes any character',
      to({ paths: [exact('/public/{*}')] }),
      request({ path: '/public/a=b' }),
      true,
    ],
    ['path template rest', to({ paths: [exact('/{**}/end')] }), request({ path: '/a/b/end' }), true],
    ['port', to({ ports: [80] }), request(), true],
    ['excluded port', to({ notPorts: [80] }), request(), false],
    [
      'header',
      when({ key: 'request.headers[X-Env]', values: [exact('prod')] }),
      request({ raw: ['x-env', 'prod'] }),
      true,
    ],
    [
      'header suffix',
      when({ key: 'request.headers[x-env]', values: [suffix('od')] }),
      request({ raw: ['X-Env', 'prod'] }),
      true,
    ],
    ['absent header', when({ key: 'request.headers[x-env]', values: [present] }), request(), false],
    ['excluded header value', when({ key: 'request.headers[x-env]', notValues: [exact('prod')] }), request(), true],
    ['source.namespace', when({ key: 'source.namespace', values: [exact('clients')] }), request(), true],
    ['destination.port', when({ key: 'destination.port', values: [exact('80')] }), request(), true],
    ['source.ip', when({ key: 'source.ip', cidrs: [cidr([10, 1, 2, 3], 32)] }), request(), true],
    [
      'claim list',
      when({ key: 'request.auth.claims[a][b]', values: [exact('2')] }),
      request({ claims: { a: { b: ['1', '2'] } } }),
      true,
    ],
    ['unknown key never allows', when({ key: 'request.magic', values: [present] }), request(), false],
  ];
  for (const [name, rule, subject, expected] of cases) {
    test(`${name}: ${expected ? 'holds' : 'does not hold'}`, () => assert.equal(allows(rule, subject), expected));
  }

  test('a header with several values is as its worst value, written twice or as a list', () => {
    const forms = (...values: string[]): string[][] => [
      values.flatMap((value) => ['x-role', value]),
      ['x-role', values.join(',')],
      ['X-Role', values.join(' , ')],
    ];
    const denied = (condition: object, raw: string[]): boolean =>
      decide({ p: policy(DENY, [when(condition)]) }, request({ raw })) !== 'allow';
    for (const raw of [...forms('user', 'admin'), ...forms('admin', 'user'), ...forms('admin', 'admin')]) {
      assert.ok(denied({ key: 'request.headers[x-role]', values: [exact('admin')] }, raw), raw.join());
      assert.ok(denied({ key: 'request.headers[x-role]', notValues: [exact('user')] }, raw), raw.join());
      assert.ok(!allows(when({ key: 'request.headers[x-role]', values: [exact('user')] }), request({ raw })));
      assert.ok(!allows(when({ key: 'request.headers[x-role]', notValues: [exact('admin')] }), request({ raw })));
    }
    const twice = request({ raw: ['x-role', 'user-1', 'x-role', 'admin'] });
    assert.ok(!allows(when({ key: 'request.headers[x-role]', values: [prefix('user-')] }), twice));
    const list = request({ raw: ['user-agent', 'Some/1.0 (one, two)'] });
    assert.ok(allows(when({ key: 'request.headers[user-agent]', values: [prefix('Some/')] }), list));
  });

  test('an unknown key in DENY denies', () => {
    assert.notEqual(decide({ p: policy(DENY, [when({ key: 'request.magic', values: [present] })]) }), 'allow');
  });
  test('a pseudo header is an unknown key', () => {
    assert.equal(allows(when({ key: 'request.headers[:method]', values: [present] })), false);
  });
});

describe('on raw connections', () => {
  const connection = { ...request() } as Record<string, unknown>;
  for (const key of ['method', 'scheme', 'authority', 'path', 'query', 'headers']) delete connection[key];
  const tcp = (action: AuthzPolicy_Action, rule: Rule) =>
    decide({ p: policy(action, [rule]) }, connection as never, 'tcp');
  test('an ALLOW rule with an HTTP attribute never allows', () => {
    assert.equal(tcp(ALLOW, { to: [{ methods: [exact('GET')] }] }), 'none');
    assert.equal(tcp(ALLOW, { when: [{ key: 'request.headers[x]', values: [present] }] }), 'none');
  });
  test('a DENY rule drops the HTTP attribute and keeps the rest', () => {
    assert.notEqual(
      tcp(DENY, { from: [{ namespaces: [exact('clients')] }], to: [{ methods: [exact('POST')] }] }),
      'allow',
    );
    assert.equal(tcp(DENY, { from: [{ namespaces: [exact('other')] }], to: [{ methods: [exact('POST')] }] }), 'allow');
  });
});
