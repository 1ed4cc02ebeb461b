// Values of the chart `base`: definitions and the validation of the default revision.
import Type from 'typebox';
import { commonFields, flag, globalFields, text, words } from './fields.ts';

const baseFields = {
  validationURL: text('', 'Address of a validation webhook outside the cluster.'),
  enableCRDTemplates: flag(true, 'Kept for existing files, definitions are always templates; no effect.'),
  enableIstioConfigCRDs: flag(true, 'Install the definitions.'),
  excludedCRDs: words([], 'Names of definitions to leave out.'),
} as const;

/** Schema of the chart's values. `base.x` and `x` mean the same; `base.x` wins. */
export const baseValues = Type.Object(
  {
    ...commonFields,
    global: globalFields,
    defaultRevision: text('default', 'Revision whose control plane validates all objects; empty = no such webhook.'),
    ...baseFields,
    base: Type.Optional(
      Type.Object(
        { ...baseFields, defaultRevision: text('default', 'As at the root.') },
        { additionalProperties: false, description: 'The same fields once more, as IstioOperator files have them.' },
      ),
    ),
  },
  { additionalProperties: false },
);
