// AuthorizationPolicy (security.istio.io): who may talk to whom.
import Type from 'typebox';
import { ObjectMetaSchema } from '../object-meta.ts';
import { texts } from '../schema.ts';
import { IstioStatusSchema, targeting } from './selection.ts';

const Source = Type.Object({
  principals: texts,
  notPrincipals: texts,
  requestPrincipals: texts,
  notRequestPrincipals: texts,
  namespaces: texts,
  notNamespaces: texts,
  serviceAccounts: texts,
  notServiceAccounts: texts,
  trustDomains: texts,
  notTrustDomains: texts,
  ipBlocks: texts,
  notIpBlocks: texts,
  remoteIpBlocks: texts,
  notRemoteIpBlocks: texts,
});

const Operation = Type.Object({
  hosts: texts,
  notHosts: texts,
  ports: texts,
  notPorts: texts,
  methods: texts,
  notMethods: texts,
  paths: texts,
  notPaths: texts,
});

const Rule = Type.Object({
  from: Type.Optional(Type.Array(Type.Object({ source: Type.Optional(Source) }))),
  to: Type.Optional(Type.Array(Type.Object({ operation: Type.Optional(Operation) }))),
  when: Type.Optional(Type.Array(Type.Object({ key: Type.String(), values: texts, notValues: texts }))),
});

/** Schema of AuthorizationPolicy (security.istio.io/v1). */
export const AuthorizationPolicySchema = Type.Object({
  apiVersion: Type.Optional(Type.String()),
  kind: Type.Optional(Type.Literal('AuthorizationPolicy')),
  metadata: ObjectMetaSchema,
  spec: Type.Optional(
    Type.Object({
      ...targeting,
      action: Type.Optional(Type.Enum(['ALLOW', 'DENY', 'AUDIT', 'CUSTOM'])),
      provider: Type.Optional(Type.Object({ name: Type.Optional(Type.String()) })),
      rules: Type.Optional(Type.Array(Rule)),
    }),
  ),
  status: Type.Optional(IstioStatusSchema),
});
/** An authorization policy. */
export type AuthorizationPolicy = Type.Static<typeof AuthorizationPolicySchema>;
/** One rule of an authorization policy. */
export type AuthorizationRule = Type.Static<typeof Rule>;
/** Who a request comes from, inside a rule. */
export type AuthorizationSource = Type.Static<typeof Source>;
/** What a request does, inside a rule. */
export type AuthorizationOperation = Type.Static<typeof Operation>;
