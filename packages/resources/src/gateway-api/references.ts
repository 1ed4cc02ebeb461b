// References between Gateway API objects. Imported by the Gateway API kinds.
import Type from 'typebox';
import { ConditionSchema } from '../object-meta.ts';
import { integer, text } from '../schema.ts';

/** Schema of a reference from a route to its parent. */
export const ParentRefSchema = Type.Object({
  group: text,
  kind: text,
  namespace: text,
  name: Type.String(),
  sectionName: text,
  port: integer,
});
/** The Gateway or Service that a route attaches to. */
export type ParentRef = Type.Static<typeof ParentRefSchema>;

/** Fields of a reference to a backend. */
export const backendRefFields = {
  group: text,
  kind: text,
  namespace: text,
  name: Type.String(),
  port: integer,
};

/** Schema of what a controller reports about one parent of a route. */
export const RouteParentStatusSchema = Type.Object({
  parentRef: ParentRefSchema,
  controllerName: Type.String(),
  conditions: Type.Optional(Type.Array(ConditionSchema)),
});
/** What a controller reports about one parent of a route. */
export type RouteParentStatus = Type.Static<typeof RouteParentStatusSchema>;

/** Schema of the status of a route. */
export const RouteStatusSchema = Type.Object({ parents: Type.Optional(Type.Array(RouteParentStatusSchema)) });
