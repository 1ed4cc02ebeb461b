// RequestAuthentication (security.istio.io): which JWTs are accepted.
import Type from 'typebox';
import { ObjectMetaSchema } from '../object-meta.ts';
import { flag, Opaque, text, texts } from '../schema.ts';
import { IstioStatusSchema, targeting } from './selection.ts';

/** Schema of RequestAuthentication (security.istio.io/v1). */
export const RequestAuthenticationSchema = Type.Object({
  apiVersion: Type.Optional(Type.String()),
  kind: Type.Optional(Type.Literal('RequestAuthentication')),
  metadata: ObjectMetaSchema,
  spec: Type.Optional(
    Type.Object({
      ...targeting,
      jwtRules: Type.Optional(
        Type.Array(
          Type.Object({
            issuer: text,
            audiences: texts,
            jwksUri: text,
            jwks: text,
            fromHeaders: Type.Optional(Type.Array(Type.Object({ name: Type.String(), prefix: text }))),
            fromParams: texts,
            fromCookies: texts,
            outputPayloadToHeader: text,
            outputClaimToHeaders: Type.Optional(Type.Array(Opaque)),
            forwardOriginalToken: flag,
            timeout: text,
            spaceDelimitedClaims: texts,
          }),
        ),
      ),
    }),
  ),
  status: Type.Optional(IstioStatusSchema),
});
/** A request authentication policy. */
export type RequestAuthentication = Type.Static<typeof RequestAuthenticationSchema>;
