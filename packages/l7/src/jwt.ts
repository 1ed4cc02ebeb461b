/**
 * RequestAuthentication: which tokens of a request have to be verified, and what follows from the outcome
 * (spec/waypoint.md 4.3, 6.3). In: JwtPolicies and a request view. Out: a plan, then a changed request or a 401/403.
 * The signature itself is checked by the caller between the two, because that waits and needs keys. Pure; data thread.
 *
 * A request without token goes on without claims: policies that ask for a request principal refuse it later.
 * A token that is there and that no rule accepts is always refused.
 */
import type { JwtRule, Policy, PolicyRef } from '@ambit/proto/waypoint';
import { durationMs } from './duration.ts';
import { L7Error } from './errors.ts';
import type { HeaderList } from './header-list.ts';
import { type ClaimOutput, compileClaimOutput } from './jwt/claim-output.ts';
import { compileLocations, findTokens, type FoundToken, stripToken, type TokenLocation } from './jwt/locations.ts';
import { type ParsedJwt, parseJwt } from './jwt/parse.ts';
import { type LocalReply, localReply } from './local-reply.ts';
import type { RequestView } from './request-view.ts';

/** Texts of 6.3 that a verifier may answer with. */
export const jwtProblems = {
  badSignature: 'Jwt verification fails',
  noKey: "Jwks doesn't have key to match kid or alg from Jwt",
  fetchFailed: 'Jwks remote fetch is failed',
  badKeySet: 'Jwks is an invalid JSON',
  noValidKey: "Jwks doesn't have any valid public key",
} as const;

/** Why a rule did not accept a token. */
export interface JwtFailure {
  /** Body of the answer. */
  readonly text: string;
  /** True when the token names the issuer of the rule: its text is the most useful one. */
  readonly isOwnIssuer: boolean;
}

/** A token whose signature has to be verified with the keys of a rule. */
export interface JwtCheck {
  readonly rule: CompiledJwtRule;
  readonly token: ParsedJwt;
  readonly location: TokenLocation;
}

/** One rule, compiled. */
export interface CompiledJwtRule {
  /** Key sources of the rule. */
  readonly source: JwtRule;
  readonly locations: readonly TokenLocation[];
  readonly output: ClaimOutput;
  readonly audiences: ReadonlySet<string>;
  readonly skewSeconds: number;
}

/** What to do about the tokens of a request: verify `checks` in order until one holds; with none, `failures` decide. */
export interface JwtPlan {
  readonly checks: readonly JwtCheck[];
  readonly failures: readonly JwtFailure[];
}

/** The rules that hold for a frontend. */
export interface JwtAuthenticator {
  readonly rules: readonly CompiledJwtRule[];
  /** Removes what only the proxy may say. Call it for every request, before the plan. */
  removeOwnedHeaders(headers: HeaderList): void;
  /** Undefined: no token at all, or a preflight; the request goes on without claims. */
  plan(request: RequestView, nowSeconds: number): JwtPlan | undefined;
}

const defaultSkewMs = 60_000;

/** Compiles the rules of one JwtPolicy. Throws L7Error: the caller treats the policy as invalid. */
export const compileJwtRules = (rules: readonly JwtRule[]): CompiledJwtRule[] => rules.map(compileRule);

const compileRule = (source: JwtRule): CompiledJwtRule => {
  if (source.jwksSecret === '' && source.jwksUri === '') {
    throw new L7Error('ERR_L7_UNSUPPORTED', `rule of issuer ${source.issuer} has no key set`);
  }
  return {
    source,
    locations: compileLocations(source),
    output: compileClaimOutput(source),
    audiences: new Set(source.audiences.map(plainAudience)),
    skewSeconds: (durationMs(source.clockSkew) ?? defaultSkewMs) / 1000,
  };
};

/**
 * Collects the JwtPolicies of a frontend, sorted by issuer; undefined when there are none. Policies that cannot be compiled
 * are left out here and make compileAuthorizer deny.
 */
export const compileJwt = (input: {
  readonly refs: readonly PolicyRef[];
  readonly lookup: (key: string) => Policy | undefined;
  readonly port: number;
}): JwtAuthenticator | undefined => {
  const rules: CompiledJwtRule[] = [];
  for (const ref of input.refs) {
    if (ref.ports.length > 0 && !ref.ports.includes(input.port)) continue;
    const body = input.lookup(ref.policy)?.body;
    if (body?.case !== 'jwt') continue;
    try {
      rules.push(...compileJwtRules(body.value.rules));
    } catch (error) {
      if (!L7Error.is(error)) throw error;
    }
  }
  if (rules.length === 0) return undefined;
  rules.sort((one, two) =>
    one.source.issuer < two.source.issuer ? -1 : one.source.issuer > two.source.issuer ? 1 : 0,
  );
  const owned = new Set(rules.flatMap(({ output }) => output.ownedHeaders));
  return {
    rules,
    removeOwnedHeaders: (headers) => {
      if (owned.size > 0) headers.removeIf((name) => owned.has(name));
    },
    plan: (request, nowSeconds) => (isPreflight(request) ? undefined : planOf(rules, request, nowSeconds)),
  };
};

const isPreflight = ({ method, headers }: RequestView): boolean =>
  method === 'OPTIONS' && headers.has('origin') && headers.has('access-control-request-method');

const planOf = (rules: readonly CompiledJwtRule[], request: RequestView, nowSeconds: number): JwtPlan | undefined => {
  const checks: JwtCheck[] = [];
  const failures: JwtFailure[] = [];
  let isAnyToken = false;
  for (const rule of rules) {
    const found = findTokens(rule.locations, request);
    if (found.length === 0) continue;
    isAnyToken = true;
    const checked = checkOf(rule, found, nowSeconds);
    if ('text' in checked) failures.push(checked);
    else checks.push(checked);
  }
  return isAnyToken ? { checks, failures } : undefined;
};

/** The first token that names the issuer of the rule, after everything that needs no key. */
const checkOf = (rule: CompiledJwtRule, found: readonly FoundToken[], nowSeconds: number): JwtCheck | JwtFailure => {
  let failure: JwtFailure | undefined;
  for (const { location, values } of found) {
    if (values.length > 1) {
      failure ??= { text: 'Found multiple Jwt tokens', isOwnIssuer: false };
      continue;
    }
    const parsed = parseJwt(values[0] as string);
    if (!parsed.ok) {
      failure ??= { text: parsed.problem, isOwnIssuer: false };
      continue;
    }
    const { token } = parsed;
    if (rule.source.issuer !== '' && token.issuer !== rule.source.issuer) {
      failure ??= { text: 'Jwt issuer is not configured', isOwnIssuer: false };
      continue;
    }
    const problem = problemOfClaims(rule, token, nowSeconds);
    return problem === undefined ? { rule, token, location } : { text: problem, isOwnIssuer: true };
  }
  return failure as JwtFailure;
};

const audienceProblem = 'Audiences in Jwt are not allowed';

const problemOfClaims = (rule: CompiledJwtRule, token: ParsedJwt, nowSeconds: number): string | undefined => {
  const { notBefore, expiresAt, audiences } = token;
  if (notBefore !== undefined && nowSeconds + rule.skewSeconds < notBefore) return 'Jwt not yet valid';
  if (expiresAt !== undefined && nowSeconds > expiresAt + rule.skewSeconds) return 'Jwt is expired';
  if (rule.audiences.size === 0) return undefined;
  return audiences.some((audience) => rule.audiences.has(plainAudience(audience))) ? undefined : audienceProblem;
};

/** Scheme and last slash do not count, as upstream has it for service account audiences. */
const plainAudience = (audience: string): string => {
  const scheme = ['https://', 'http://'].find((lead) => audience.startsWith(lead)) ?? '';
  const rest = audience.slice(scheme.length);
  return rest.endsWith('/') ? rest.slice(0, -1) : rest;
};

/** The request after a verified token: with claims, the headers of the rule, and without the token unless it is forwarded. */
export const acceptJwt = <Request extends RequestView>(check: JwtCheck, request: Request): Request => {
  const { rule, token, location } = check;
  const query = rule.source.forward ? request.query : stripToken(location, request);
  rule.output.writeHeaders(token, request.headers);
  return { ...request, query, claims: rule.output.claims(token) };
};

/** Longest original URI in the challenge. */
const maxRealmLength = 256;

/** The answer when no rule accepted a token; `failures` is not empty. */
export const refuseJwt = (failures: readonly JwtFailure[], request: RequestView): LocalReply => {
  const chosen = failures.find(({ isOwnIssuer }) => isOwnIssuer) ?? failures.at(-1);
  const text = chosen?.text ?? jwtProblems.badSignature;
  const query = request.query === undefined ? '' : `?${request.query}`;
  const uri = `${request.scheme}://${request.authority}${request.path}${query}`.slice(0, maxRealmLength);
  const realm = uri.replaceAll('"', '%22').replaceAll('\\', '%5C');
  return localReply(
    text === audienceProblem ? 403 : 401,
    text,
    `jwt_authn_access_denied{${text.replaceAll(' ', '_')}}`,
    {
      headers: [['www-authenticate', `Bearer realm="${realm}", error="invalid_token"`]],
    },
  );
};
