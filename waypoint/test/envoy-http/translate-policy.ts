/** Security and limit filters of an Envoy listener -> our policies, in the order of the filters. Used by translate.ts. */
import type { TestConfig } from '../../src/testing/mesh.ts';
import { rateLimitKey, textOf } from './translate-route.ts';
import { asList, asMap, asText, durationOf, type Yaml } from './yaml.ts';

type Policies = NonNullable<TestConfig['policies']>;
type Policy = Policies[string];
type Secrets = NonNullable<TestConfig['secrets']>;

/** What the filters of one listener and the buckets of its routes come to. */
export const policiesOf = (
  filters: readonly Yaml[],
  hosts: readonly Yaml[],
): { readonly policies: Policies; readonly secrets: Secrets } => {
  const policies: Record<string, Policy> = {};
  const secrets: Record<string, Secrets[string]> = {};
  for (const [index, filter] of filters.entries()) {
    const config = asMap(filter['typed_config']);
    switch (filter['name']) {
      case 'envoy.filters.http.rbac':
        policies[`rbac/${index}`] = rbacPolicy(asMap(config['rules']));
        break;
      case 'envoy.filters.http.jwt_authn':
        Object.assign(policies, jwtPolicies(config, secrets));
        break;
      case 'envoy.filters.http.ext_authz':
        policies[`ext/${index}`] = extAuthzPolicy(config);
        break;
      case 'envoy.filters.http.buffer':
        policies[`buffer/${index}`] = {
          body: { case: 'buffer', value: { maxRequestBytes: Number(config['max_request_bytes']) } },
        };
        break;
      default: // CORS, fault, local limits and the router are configured per route
    }
  }
  for (const route of hosts.flatMap((host) => asList(host['routes']))) {
    const limit = asMap(asMap(route['typed_per_filter_config'])['envoy.filters.http.local_ratelimit']);
    if (limit['token_bucket'] !== undefined) policies[rateLimitKey(route)] = rateLimitPolicy(limit);
  }
  return { policies, secrets };
};

type Operation = { paths: unknown[]; notPaths: unknown[]; methods: unknown[] };

const rbacPolicy = (rules: Yaml): Policy => ({
  meta: { namespace: 'golden', name: 'rbac' },
  body: {
    case: 'authz',
    value: {
      action: rules['action'] === 'DENY' ? 1 : 0,
      rules: Object.entries(asMap(rules['policies'])).map(([id, policy]) => ({
        id,
        to: asList(asMap(policy)['permissions']).map((permission) => {
          const operation: Operation = { paths: [], notPaths: [], methods: [] };
          addPermission(operation, permission);
          return operation as never;
        }),
        when: asList(asMap(policy)['principals']).flatMap(conditionOf),
      })),
    },
  },
});

const addPermission = (operation: Operation, permission: Yaml): void => {
  const all = asMap(permission['and_rules'])['rules'];
  for (const part of asList(all)) addPermission(operation, part);
  const path = asMap(permission['url_path'])['path'];
  if (path !== undefined) operation.paths.push(textOf(asMap(path)));
  const not = asMap(asMap(asMap(permission['not_rule'])['url_path'])['path']);
  if (Object.keys(not).length > 0) operation.notPaths.push(textOf(not));
  const header = asMap(permission['header']);
  if (header['name'] === ':method') operation.methods.push(textOf(asMap(header['string_match'])));
};

/** A claim of the verified token; `any` is no condition. */
const conditionOf = (principal: Yaml) => {
  const metadata = asMap(principal['metadata']);
  const path = asList(metadata['path'])
    .map(({ key }) => String(key))
    .slice(1);
  if (path.length === 0) return [];
  const oneOf = asMap(asMap(asMap(metadata['value'])['list_match'])['one_of']);
  const values = [textOf(asMap(oneOf['string_match']))];
  return [{ key: `request.auth.claims${path.map((key) => `[${key}]`).join('')}`, claimPath: path, values }];
};

/** A requirement without `allow_missing` is an ALLOW policy for requests with a token, as Istio's users write it. */
const jwtPolicies = (config: Yaml, secrets: Record<string, Secrets[string]>): Record<string, Policy> => {
  const providers = Object.entries(asMap(config['providers']));
  const rules = providers.map(([name, provider]) => {
    const { issuer, audiences, local_jwks: keys, forward } = asMap(provider);
    secrets[`jwks/${name}`] = {
      body: { case: 'jwks', value: { json: String(asMap(keys)['inline_string']) } },
    } as never;
    return {
      issuer: String(issuer),
      audiences: audiences as string[],
      jwksSecret: `jwks/${name}`,
      forward: forward === true,
      payloadHeader: asText(asMap(provider)['forward_payload_header']),
      claimHeaders: asList(asMap(provider)['claim_to_headers']).map((claim) => ({
        header: String(claim['header_name']),
        path: [String(claim['claim_name'])],
      })),
    };
  });
  const made: Record<string, Policy> = { jwt: { body: { case: 'jwt', value: { rules } } } };
  const requirements = asList(config['rules']);
  if (requirements.some(({ requires }) => asMap(requires)['provider_name'] !== undefined)) {
    const open = requirements.filter(({ requires }) => requires === undefined);
    made['jwt-required'] = {
      meta: { namespace: 'golden', name: 'jwt-required' },
      body: {
        case: 'authz',
        value: {
          action: 0,
          rules: [
            { from: [{ requestPrincipals: [{ m: { case: 'present', value: true } }] }] },
            { to: [{ paths: open.map(({ match }) => textOf(asMap(match))) }] },
          ],
        },
      },
    };
  }
  return made;
};

const extAuthzPolicy = (config: Yaml): Policy => {
  const service = asMap(config['grpc_service']);
  return {
    body: {
      case: 'extAuthz',
      value: {
        grpc: true,
        backend: String(asMap(service['envoy_grpc'])['cluster_name']),
        timeout: durationOf(service['timeout']),
        statusOnError: asMap(config['status_on_error'])['code'] === 'Forbidden' ? 403 : 0,
      },
    },
  };
};

const rateLimitPolicy = (limit: Yaml): Policy => {
  const bucket = asMap(limit['token_bucket']);
  const headers = asList(limit['response_headers_to_add']).map((entry) => asMap(entry['header']));
  return {
    body: {
      case: 'localRateLimit',
      value: {
        maxTokens: Number(bucket['max_tokens']),
        perFill: Number(bucket['tokens_per_fill']),
        interval: durationOf(bucket['fill_interval']),
        responseHeaders: { add: Object.fromEntries(headers.map(({ key, value }) => [String(key), String(value)])) },
        rateHeaders: limit['enable_x_ratelimit_headers'] === 'DRAFT_VERSION_03',
      },
    },
  };
};
