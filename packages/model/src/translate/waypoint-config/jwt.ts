// RequestAuthentication with targets -> the waypoint's Policy and the key sets it names (spec waypoint 4.3). Pure.
import type { MessageInitShape } from '@bufbuild/protobuf';
import { type JwtRuleSchema, PolicySchema, SecretSchema } from '@ambit/proto/waypoint';
import type { JwtRuleOfUser, RequestAuthentication } from '@ambit/resources';
import { identityOf } from '../../index/view.ts';
import { type ConfigResource, configResource } from './config-resource.ts';
import { durationOf, goDurationMs } from './duration.ts';
import { jwksKey, policyKey } from './keys.ts';
import { metaOf } from './meta.ts';

type Init<T> = Exclude<T, { $typeName: string }>;
type RuleInit = Init<MessageInitShape<typeof JwtRuleSchema>>;

/** The Policy and the Secrets of a RequestAuthentication. What cannot be translated becomes `invalid`, which denies. */
export function jwtResources(policy: RequestAuthentication): ConfigResource[] {
  const { namespace, name } = identityOf(policy);
  const meta = metaOf('RequestAuthentication', policy);
  const key = policyKey('RequestAuthentication', namespace, name);
  const rules = policy.spec?.jwtRules ?? [];
  const reason = rules.map(problemOf).find((problem) => problem !== undefined);
  if (reason !== undefined) {
    return [configResource(PolicySchema, key, { meta, body: { case: 'invalid', value: { reason } } })];
  }
  const secrets = rules.flatMap(({ jwks = '' }, i) =>
    jwks === ''
      ? []
      : [
          configResource(SecretSchema, jwksKey(namespace, name, i), {
            meta,
            body: { case: 'jwks', value: { json: jwks } },
          }),
        ],
  );
  const value = { rules: rules.map((rule, i) => ruleOf(rule, jwksKey(namespace, name, i))) };
  return [configResource(PolicySchema, key, { meta, body: { case: 'jwt', value } }), ...secrets];
}

function ruleOf(rule: JwtRuleOfUser, secret: string): RuleInit {
  const { jwks = '', jwksUri = '' } = rule;
  const timeoutMs = goDurationMs(rule.timeout);
  return {
    issuer: rule.issuer ?? '',
    audiences: [...(rule.audiences ?? [])],
    // A rule with neither form names a key set that is never there: tokens are refused, requests without one go on.
    jwksSecret: jwks !== '' || jwksUri === '' ? secret : '',
    jwksUri: jwks === '' ? jwksUri : '',
    fromHeaders: (rule.fromHeaders ?? []).map(({ name, prefix = '' }) => ({
      name,
      ...(prefix !== '' && { value: { m: { case: 'prefix' as const, value: prefix } } }),
    })),
    fromParams: [...(rule.fromParams ?? [])],
    fromCookies: [...(rule.fromCookies ?? [])],
    payloadHeader: rule.outputPayloadToHeader ?? '',
    claimHeaders: (rule.outputClaimToHeaders ?? []).map(({ header = '', claim = '' }) => ({
      header,
      path: claim.split('.'),
    })),
    forward: rule.forwardOriginalToken ?? false,
    spaceDelimited: [...(rule.spaceDelimitedClaims ?? [])],
    ...(timeoutMs !== undefined && { timeout: durationOf(timeoutMs) }),
  };
}

/** A key set that is no key set must not become a rule that verifies nothing. */
function problemOf({ jwks = '', jwksUri = '' }: JwtRuleOfUser): string | undefined {
  if (jwks !== '') return isKeySet(jwks) ? undefined : 'jwks is no JSON Web Key Set';
  if (jwksUri === '') return undefined;
  const url = URL.parse(jwksUri);
  const isWeb = url !== null && (url.protocol === 'https:' || url.protocol === 'http:');
  return isWeb ? undefined : `not an http address: ${jwksUri}`;
}

function isKeySet(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && Array.isArray((value as { keys?: unknown }).keys);
  } catch {
    return false;
  }
}
