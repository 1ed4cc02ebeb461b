// PeerAuthentication (security.istio.io): whether plaintext is accepted.
import Type from 'typebox';
import { ObjectMetaSchema } from '../object-meta.ts';
import { IstioStatusSchema, WorkloadSelectorSchema } from './selection.ts';

const Mtls = Type.Object({ mode: Type.Optional(Type.Enum(['UNSET', 'DISABLE', 'PERMISSIVE', 'STRICT'])) });

/** Schema of PeerAuthentication (security.istio.io/v1). */
export const PeerAuthenticationSchema = Type.Object({
  apiVersion: Type.Optional(Type.String()),
  kind: Type.Optional(Type.Literal('PeerAuthentication')),
  metadata: ObjectMetaSchema,
  spec: Type.Optional(
    Type.Object({
      selector: Type.Optional(WorkloadSelectorSchema),
      mtls: Type.Optional(Mtls),
      portLevelMtls: Type.Optional(Type.Record(Type.String(), Mtls)),
    }),
  ),
  status: Type.Optional(IstioStatusSchema),
});
/** A peer authentication policy. */
export type PeerAuthentication = Type.Static<typeof PeerAuthenticationSchema>;
