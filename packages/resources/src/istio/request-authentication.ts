// RequestAuthentication (security.istio.io): which JWTs are accepted.
import Type from 'typebox';
import { ObjectMetaSchema } from '../object-meta.ts';
import { flag, text, texts } from '../schema.ts';
import { IstioStatusSchema, targeting } from './selection.ts';

const JwtRule = Type.Object({
  issuer: text,
  audiences: texts,
  jwksUri: text,
  jwks: text,
  fromHeaders: Type.Optional(Type.Array(Type.Object({ name: Type.String(), prefix: text }))),
  fromParams: texts,
  fromCookies: texts,
  outputPayloadToHeader: text,
  outputClaimToHeaders: Type.Optional(Type.Array(Type.Object({ header: text, claim: text }))),
  forwardOriginalToken: flag,
  timeout: text,
  spaceDelimitedClaims: texts,
});

/** Schema of RequestAuthentication (security.istio.io/v1). */
export const RequestAuthenticationSchema = Type.Object({
  apiVersion: Type.Optional(Type.String()),
  kind: Type.Optional(Type.Literal('RequestAuthentication')),
  metadata: ObjectMetaSchema,
  spec: Type.Optional(
    Type.Object({
      ...targeting,
      jwtRules: Type.Optional(Type.Array(JwtRule)),
    }),
  ),
  status: Type.Optional(IstioStatusSchema),
});
/** A request authentication policy. */
export type RequestAuthentication = Type.Static<typeof RequestAuthenticationSchema>;
/** One issuer and how its tokens are checked. */
export type JwtRuleOfUser = Type.Static<typeof JwtRule>;
