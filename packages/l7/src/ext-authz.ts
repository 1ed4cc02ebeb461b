/**
 * External authorization: which services have to be asked about a request (spec/waypoint.md 4.1.2, 4.4).
 * In: CUSTOM policies and ExtAuthz policies with the providers that they name. Out: checks in configuration order, one per
 * provider. The asking is the caller's; ext-authz/http.ts and ext-authz/grpc.ts make the question and read the answer.
 * Compiled once per thread; pure.
 */
import {
  type AuthzPolicy,
  AuthzPolicy_Action,
  type AuthzRule,
  type ExtAuthz,
  type Policy,
  type PolicyRef,
} from '@ambit/proto/waypoint';
import { compileRule } from './authorize/rule.ts';
import type { SubjectTest } from './authorize/subject.ts';
import { timerMs } from './duration.ts';
import { L7Error } from './errors.ts';
import type { HeaderList } from './header-list.ts';
import { type LocalReply, localReply, replies } from './local-reply.ts';
import type { RequestView } from './request-view.ts';

/** One service that may have to be asked. */
export interface ExtAuthzCheck {
  /** Name of the provider, or key of the policy. */
  readonly id: string;
  readonly config: ExtAuthz;
  /** Longest wait for the answer; upstream's default is 600 s. */
  readonly timeoutMs: number;
  /** True when the service has to be asked about this request. */
  applies(request: RequestView): boolean;
}

/** What the caller sends along besides the view. */
export interface ExtAuthzQuestion {
  readonly request: RequestView;
  /** As much of the body as the configuration wants; empty without one. */
  readonly body: Uint8Array;
  /** True when the body is longer than what is sent. */
  readonly isPartial: boolean;
  /** `HTTP/1.1` or `HTTP/2`. */
  readonly protocol: string;
  readonly requestId: string;
  /** Client address, textual `ip:port` where known. */
  readonly source: { readonly ip: string; readonly port: number };
  /** Own SPIFFE id, as the destination's principal. */
  readonly localPrincipal: string;
  readonly startedAtMs: number;
}

/** The answer of a service. */
export type ExtAuthzVerdict =
  | {
      readonly kind: 'allow';
      /** Edits of the request to the backend. */
      readonly editRequest: (headers: HeaderList) => void;
      /** Edits of the response to the client. */
      readonly editResponse: (headers: HeaderList) => void;
      /** Query of the request to the backend. */
      readonly editQuery: (query: string | undefined) => string | undefined;
    }
  | { readonly kind: 'deny'; readonly reply: LocalReply }
  /** The service failed: `fail_open` decides. */
  | { readonly kind: 'error' };

const defaultTimeoutMs = 600_000;

/** What {@link compileExtAuthz} needs. */
export interface ExtAuthzInput {
  readonly refs: readonly PolicyRef[];
  readonly lookup: (key: string) => Policy | undefined;
  readonly provider: (name: string) => ExtAuthz | undefined;
  readonly port: number;
}

interface Group {
  readonly id: string;
  readonly config: ExtAuthz;
  readonly tests: SubjectTest[];
}

/** Collects the checks of a frontend or rule. Policies that cannot be compiled are left out here and deny in compileAuthorizer. */
export const compileExtAuthz = (input: ExtAuthzInput): readonly ExtAuthzCheck[] => {
  const groups = new Map<string, Group>();
  for (const ref of input.refs) {
    if (ref.ports.length > 0 && !ref.ports.includes(input.port)) continue;
    const policy = input.lookup(ref.policy);
    if (policy === undefined || policy.dryRun) continue;
    try {
      addPolicy(groups, ref.policy, policy, input.provider);
    } catch (error) {
      if (!L7Error.is(error)) throw error;
    }
  }
  return [...groups.values()].map(({ id, config, tests }) => ({
    id,
    config,
    timeoutMs: timerMs(config.timeout) ?? defaultTimeoutMs,
    applies: (request) => tests.some((test) => test(request)),
  }));
};

const addPolicy = (
  groups: Map<string, Group>,
  key: string,
  policy: Policy,
  provider: ExtAuthzInput['provider'],
): void => {
  const { body } = policy;
  const namespace = policy.meta?.namespace ?? '';
  if (body.case === 'extAuthz') {
    const config = checkedConfig(body.value, key);
    const tests = config.rules.length === 0 ? [() => true] : compileCheckRules(config.rules, namespace);
    groups.set(`policy ${key}`, { id: key, config, tests });
  } else if (body.case === 'authz' && body.value.action === AuthzPolicy_Action.CUSTOM) {
    const { tests, config } = compileCustom(body.value, namespace, provider);
    const known = groups.get(`provider ${body.value.provider}`);
    if (known === undefined) groups.set(`provider ${body.value.provider}`, { id: body.value.provider, config, tests });
    else known.tests.push(...tests);
  }
};

/** Compiles a CUSTOM policy; throws L7Error when it cannot be enforced. */
export const compileCustom = (
  policy: AuthzPolicy,
  namespace: string,
  provider: ExtAuthzInput['provider'],
): { readonly config: ExtAuthz; readonly tests: SubjectTest[] } => {
  const config = provider(policy.provider);
  if (config === undefined) throw new L7Error('ERR_L7_UNSUPPORTED', `provider ${policy.provider} is not known`);
  return { config: checkedConfig(config, policy.provider), tests: compileCheckRules(policy.rules, namespace) };
};

/** Compiles an ExtAuthz policy; throws L7Error when it cannot be enforced. */
export const checkExtAuthz = (config: ExtAuthz, key: string, namespace: string): void => {
  checkedConfig(config, key);
  compileCheckRules(config.rules, namespace);
};

/** Most of a body that can be sent along. */
export const MAX_CHECK_BODY_BYTES = 1024 * 1024;

const checkedConfig = (config: ExtAuthz, id: string): ExtAuthz => {
  if (config.backend === '') throw new L7Error('ERR_L7_UNSUPPORTED', `${id} names no service`);
  if (config.bodyMax > MAX_CHECK_BODY_BYTES) {
    throw new L7Error(
      'ERR_L7_UNSUPPORTED',
      `${id} wants ${config.bodyMax} bytes of bodies, at most ${MAX_CHECK_BODY_BYTES}`,
    );
  }
  return config;
};

/** Rules that say when to ask: unknown attributes ask. Tokens are not verified yet at this point. */
const compileCheckRules = (rules: readonly AuthzRule[], namespace: string): SubjectTest[] =>
  rules.map((rule) => {
    if (usesToken(rule)) throw new L7Error('ERR_L7_UNSUPPORTED', 'action CUSTOM cannot look at tokens');
    return compileRule(rule, { protocol: 'http', allows: false, namespace });
  });

const usesToken = (rule: AuthzRule): boolean =>
  rule.from.some(
    ({ requestPrincipals, notRequestPrincipals }) => requestPrincipals.length + notRequestPrincipals.length > 0,
  ) || rule.when.some(({ key }) => key.startsWith('request.auth.'));

/** The answer to the client when the service failed and the policy does not fail open. */
export const extAuthzErrorReply = (config: ExtAuthz): LocalReply =>
  localReply(config.statusOnError || 403, '', 'ext_authz_error', { flag: 'UAEX' });

/** The answer when the body does not fit and partial bodies are not wanted; also when the policy fails open. */
export const extAuthzBodyTooLarge: LocalReply = replies.requestTooLarge;
