// The plain record of one L4 authorization policy. Made by translate/authorization.ts or the local state file; immutable,
// structured-cloneable. rbac.ts compiles it.

/** How a text is compared; case matters. */
export type StringMatch =
  | { readonly kind: 'exact' | 'prefix' | 'suffix'; readonly value: string }
  | { readonly kind: 'presence' };

/** An address range; `ip` is canonical text and may have host bits set. */
export interface Cidr {
  readonly ip: string;
  readonly length: number;
}

/** One match object; an absent or empty list does not restrict; an object with no list at all never matches. */
export interface PolicyMatch {
  readonly namespaces?: readonly StringMatch[];
  readonly notNamespaces?: readonly StringMatch[];
  readonly principals?: readonly StringMatch[];
  readonly notPrincipals?: readonly StringMatch[];
  readonly serviceAccounts?: readonly { readonly namespace: string; readonly serviceAccount: string }[];
  readonly notServiceAccounts?: readonly { readonly namespace: string; readonly serviceAccount: string }[];
  readonly sourceIps?: readonly Cidr[];
  readonly notSourceIps?: readonly Cidr[];
  readonly destinationIps?: readonly Cidr[];
  readonly notDestinationIps?: readonly Cidr[];
  readonly destinationPorts?: readonly number[];
  readonly notDestinationPorts?: readonly number[];
}

/** Any match object of a clause is enough. */
export type PolicyClause = readonly PolicyMatch[];
/** All clauses of a rule are needed. */
export type PolicyRule = readonly PolicyClause[];

/** One policy. Any rule is enough; no rules = never matches (spec/node-proxy.md 6.3). */
export interface Policy {
  readonly name: string;
  readonly namespace: string;
  readonly scope: 'GLOBAL' | 'NAMESPACE' | 'WORKLOAD_SELECTOR';
  readonly action: 'ALLOW' | 'DENY';
  readonly dryRun: boolean;
  readonly rules: readonly PolicyRule[];
  /** Set on the placeholder of a policy that was refused and of which no good version is held: it denies in its scope. */
  readonly broken?: string;
}

/** The store key `namespace/name`. */
export function policyKey(policy: { readonly namespace: string; readonly name: string }): string {
  return `${policy.namespace}/${policy.name}`;
}
