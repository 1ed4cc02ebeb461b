// Values of the chart `base`: definitions and the validation of the default revision.
import Type from 'typebox';
import { commonFields, flag, globalFields, text, words } from './fields.ts';

/** Schema of the chart's values. */
export const baseValues = Type.Object(
  {
    ...commonFields,
    global: globalFields,
    defaultRevision: text('default', 'Revision whose control plane validates all objects; empty = no such webhook.'),
    validationURL: text('', 'Address of a validation webhook outside the cluster.'),
    enableCRDTemplates: flag(true, 'Kept for existing files; definitions are always templates.'),
    enableIstioConfigCRDs: flag(true, 'Install the definitions.'),
    excludedCRDs: words([], 'Names of definitions to leave out.'),
    base: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), {
        description: 'The same fields once more, as IstioOperator files have them.',
      }),
    ),
  },
  { additionalProperties: false },
);
