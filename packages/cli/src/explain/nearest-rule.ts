// Which rule of an ALLOW policy came closest to a request that none allowed. In: the policies of a frontend and the request. Out: one line
// per rule, the nearest first. Each part of a rule is asked by itself with the waypoint's own engine. Pure. Called by decide.ts.
import { type Authorizer, compileAuthorizer, type ConnectionView, type RequestView } from '@ambit/l7';
import { AuthzPolicy_Action, type AuthzPolicy, type Policy, type PolicyRef } from '@ambit/proto/waypoint';

type AuthzRule = AuthzPolicy['rules'][number];

/** The parts of a rule, as users write them. All that are there have to match. */
const parts = ['from', 'to', 'when'] as const;
type Part = (typeof parts)[number];

interface Judged {
  readonly policy: string;
  readonly rule: number;
  readonly matching: readonly Part[];
  readonly missing: readonly Part[];
}

/** What is to be judged. */
export interface RuleQuestion {
  readonly refs: readonly PolicyRef[];
  readonly lookup: (key: string) => Policy | undefined;
  readonly view: RequestView | ConnectionView;
  readonly protocol: 'http' | 'tcp';
  readonly port: number;
}

/** An authorizer of one rule reduced to one part. */
function onlyPart(policy: Policy, authz: AuthzPolicy, rule: AuthzRule, part: Part, question: RuleQuestion): Authorizer {
  const reduced: AuthzRule = { ...rule, from: [], to: [], when: [], [part]: rule[part] };
  const single: Policy = { ...policy, body: { case: 'authz', value: { ...authz, rules: [reduced] } } };
  return compileAuthorizer({ ...question, lookup: () => single, refs: question.refs.slice(0, 1) });
}

function judge(ref: PolicyRef, question: RuleQuestion): readonly Judged[] {
  const policy = question.lookup(ref.policy);
  if (policy?.body.case !== 'authz' || policy.dryRun) return [];
  const authz = policy.body.value;
  if (authz.action !== AuthzPolicy_Action.ALLOW) return [];
  return authz.rules.map((rule, index) => {
    const present = parts.filter((part) => rule[part].length > 0);
    const matches = (part: Part): boolean =>
      onlyPart(policy, authz, rule, part, { ...question, refs: [ref] }).authorize(question.view).allow;
    return {
      policy: ref.policy,
      rule: index,
      matching: present.filter(matches),
      missing: present.filter((part) => !matches(part)),
    };
  });
}

/** Lines about the rules that could have allowed it: what of each matches and what does not. At most `limit`. */
export function nearestRules(question: RuleQuestion, limit = 3): readonly string[] {
  return question.refs
    .filter((ref) => ref.ports.length === 0 || ref.ports.includes(question.port))
    .flatMap((ref) => judge(ref, question))
    .toSorted((a, b) => a.missing.length - b.missing.length || b.matching.length - a.matching.length)
    .slice(0, limit)
    .map(({ policy, rule, matching, missing }) => {
      const matched =
        matching.length === 0 ? '' : `${matching.join(' and ')} match${matching.length === 1 ? 'es' : ''}, `;
      return `${policy} rule ${rule}: ${matched}${missing.join(' and ')} do${missing.length === 1 ? 'es' : ''} not`;
    });
}
