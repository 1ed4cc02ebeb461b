/**
 * What a policy is asked about, and the small words that rules and conditions share.
 * Used by authorize/rule.ts and authorize/condition.ts; pure.
 */
import type { ConnectionView, RequestView } from '../request-view.ts';
import { claimValues } from './claims.ts';

/** A request, or a connection without HTTP. */
export type Subject = RequestView | ConnectionView;

/** Predicate over the subject. */
export type SubjectTest = (subject: Subject) => boolean;

/** What the compiler has to know about the place of a rule. */
export interface RuleContext {
  /** `http`: all attributes; `tcp`: HTTP attributes do not exist. */
  readonly protocol: 'http' | 'tcp';
  /** True where a match widens access (ALLOW). */
  readonly allows: boolean;
  /** Namespace of the policy, for service accounts without namespace. */
  readonly namespace: string;
}

/** Narrowing for attributes that exist only over HTTP; the compiler never calls them for TCP. */
export const httpOnly =
  (test: (request: RequestView) => boolean): SubjectTest =>
  (subject) =>
    'method' in subject && test(subject);

/** Result of an HTTP attribute on TCP: refuses in ALLOW, does not constrain elsewhere. */
export const onTcp = (context: RuleContext): SubjectTest => (context.allows ? () => false : () => true);

/** `td/ns/x/sa/y` and prefixes of it mean SPIFFE ids (spec/waypoint.md 4.1.3). */
export const withSpiffeScheme = (text: string): string => (text.startsWith('spiffe://') ? text : `spiffe://${text}`);

/** `iss/sub` of a verified token. */
export const requestPrincipalOf = (request: RequestView): string | undefined => {
  const issuer = claimValues(request.claims, ['iss'])[0];
  const subject = claimValues(request.claims, ['sub'])[0];
  return issuer === undefined || subject === undefined ? undefined : `${issuer}/${subject}`;
};
