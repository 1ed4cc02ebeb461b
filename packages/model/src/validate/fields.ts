// Fields and enum values that a kind knows: a misspelled field must not silently widen a policy. Only kinds whose every field is
// listed here are checked. In: a spec. Out: the first thing that is unknown. Pure. Names of messages are public API.

interface Shape {
  readonly message: string;
  readonly fields: Readonly<Record<string, Shape | Enum | 'any'>>;
}
interface Enum {
  readonly name: string;
  readonly values: readonly string[];
}

const API = 'istio.security.v1beta1';
const any = (names: string): Record<string, 'any'> => Object.fromEntries(names.split(' ').map((name) => [name, 'any']));
const shape = (message: string, plain: string, nested: Shape['fields'] = {}): Shape => ({
  message,
  fields: { ...any(plain), ...nested },
});

const SELECTOR = shape('istio.type.v1beta1.WorkloadSelector', 'matchLabels');
const TARGET = shape('istio.type.v1beta1.PolicyTargetReference', 'group kind name namespace');
const TARGETING = { selector: SELECTOR, targetRef: TARGET, targetRefs: TARGET };
const MTLS = shape(`${API}.PeerAuthentication.MutualTLS`, '', {
  mode: { name: `${API}.PeerAuthentication.MutualTLS.Mode`, values: ['UNSET', 'DISABLE', 'PERMISSIVE', 'STRICT'] },
});

const SOURCE = shape(
  `${API}.Source`,
  'principals notPrincipals requestPrincipals notRequestPrincipals namespaces notNamespaces ipBlocks notIpBlocks remoteIpBlocks notRemoteIpBlocks serviceAccounts notServiceAccounts trustDomains notTrustDomains',
);
const OPERATION = shape(`${API}.Operation`, 'hosts notHosts ports notPorts methods notMethods paths notPaths');

const KINDS: Readonly<Record<string, Shape>> = {
  AuthorizationPolicy: shape(`${API}.AuthorizationPolicy`, '', {
    ...TARGETING,
    action: { name: `${API}.AuthorizationPolicy.Action`, values: ['ALLOW', 'DENY', 'AUDIT', 'CUSTOM'] },
    provider: shape(`${API}.AuthorizationPolicy.ExtensionProvider`, 'name'),
    rules: shape(`${API}.Rule`, '', {
      from: shape(`${API}.Rule.From`, '', { source: SOURCE }),
      to: shape(`${API}.Rule.To`, '', { operation: OPERATION }),
      when: shape(`${API}.Condition`, 'key values notValues'),
    }),
  }),
  PeerAuthentication: shape(`${API}.PeerAuthentication`, 'portLevelMtls', { selector: SELECTOR, mtls: MTLS }),
  RequestAuthentication: shape(`${API}.RequestAuthentication`, '', {
    ...TARGETING,
    jwtRules: shape(
      `${API}.JWTRule`,
      'issuer audiences jwksUri jwks jwks_uri fromHeaders fromParams fromCookies outputPayloadToHeader outputClaimToHeaders forwardOriginalToken timeout spaceDelimitedClaims',
    ),
  }),
};

/** What a spec has that its kind does not know, in the words of upstream; undefined when all is known. */
export function unknownOf(kind: string, spec: unknown): string | undefined {
  const known = Object.hasOwn(KINDS, kind) ? KINDS[kind] : undefined;
  return known && unknownIn(known, spec);
}

function unknownIn(known: Shape, value: unknown): string | undefined {
  for (const item of Array.isArray(value) ? value : [value]) {
    if (typeof item !== 'object' || item === null) continue;
    for (const [name, part] of Object.entries(item)) {
      const field = Object.hasOwn(known.fields, name) ? known.fields[name] : undefined;
      if (field === undefined) return `unknown field "${name}" in ${known.message}`;
      if (field === 'any') continue;
      const problem = 'values' in field ? unknownValue(field, part) : unknownIn(field, part);
      if (problem !== undefined) return problem;
    }
  }
  return undefined;
}

function unknownValue({ name, values }: Enum, value: unknown): string | undefined {
  const isKnown = value === null || typeof value === 'number' || (typeof value === 'string' && values.includes(value));
  return isKnown ? undefined : `unknown value ${JSON.stringify(JSON.stringify(value))} for enum ${name}`;
}
