// Kinds that an installation writes or looks at as a whole, without reading their fields here.
import Type from 'typebox';
import { ObjectMetaSchema } from '../object-meta.ts';
import { opaque, text } from '../schema.ts';

/** Schema of such an object. */
export const InstalledObjectSchema = Type.Object({
  apiVersion: text,
  kind: text,
  metadata: Type.Optional(ObjectMetaSchema),
  spec: opaque,
  status: opaque,
});
