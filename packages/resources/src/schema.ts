// Small builders shared by the schemas of this package. In: nothing. Out: TypeBox schemas. Called by every kind file.
import Type from 'typebox';

/** A map of text to text, the form of labels, annotations and selectors. */
export const TextMap = Type.Record(Type.String(), Type.String());

/** A list of texts. */
export const Texts = Type.Array(Type.String());

/** A whole number or text, as in `targetPort`. */
export const IntOrText = Type.Union([Type.Integer(), Type.String()]);

/** A free-form object that is handed on untouched. */
export const Opaque = Type.Record(Type.String(), Type.Unknown());

/** Shorthand for an optional text property. */
export const text = Type.Optional(Type.String());

/** Shorthand for an optional whole number. */
export const integer = Type.Optional(Type.Integer());

/** Shorthand for an optional yes/no. */
export const flag = Type.Optional(Type.Boolean());

/** Shorthand for an optional list of texts. */
export const texts = Type.Optional(Texts);

/** Shorthand for an optional map of texts. */
export const textMap = Type.Optional(TextMap);

/** Shorthand for an optional free-form object. */
export const opaque = Type.Optional(Opaque);
