/** The `format` library of Kubernetes for CEL: named checks of texts that answer with their problems. Pure. */

import { celFunc, celList, celMethod, CelScalar } from '@bufbuild/cel';
import type { CelFunc, CelMap } from '@bufbuild/cel';
import { isFormat } from '../definitions/formats.ts';
import { labelKeyProblem, labelValueProblem, nameProblem } from '../write/names.ts';
import type { NameRule } from '../write/names.ts';
import { optionalOf } from './lists.ts';
import { opaqueType, OPAQUE } from './opaque.ts';

const { STRING, DYN } = CelScalar;

/** What is wrong with a text, or undefined. */
type Check = (text: string) => string | undefined;

const named =
  (rule: NameRule): Check =>
  (text) =>
    nameProblem(text, rule);
/** Prefixes of generated names may end with a dash. */
const prefixed =
  (rule: NameRule): Check =>
  (text) =>
    nameProblem(text.endsWith('-') ? `${text}a` : text, rule);
const openApi =
  (format: string): Check =>
  (text) =>
    isFormat(format, text) ? undefined : `must be a valid ${format}`;

const checks: Readonly<Record<string, Check>> = {
  dns1123Label: named('label'),
  dns1123Subdomain: named('subdomain'),
  dns1035Label: named('label1035'),
  dns1123LabelPrefix: prefixed('label'),
  dns1123SubdomainPrefix: prefixed('subdomain'),
  dns1035LabelPrefix: prefixed('label1035'),
  qualifiedName: labelKeyProblem,
  labelValue: labelValueProblem,
  uri: openApi('uri'),
  uuid: openApi('uuid'),
  byte: openApi('byte'),
  date: openApi('date'),
  datetime: openApi('date-time'),
};

const formats = opaqueType<Check>('format');
const formatOf = (name: string): CelMap | undefined => {
  const check = Object.hasOwn(checks, name) ? checks[name] : undefined;
  return check === undefined ? undefined : formats.wrap(check, name);
};

/** format.<name>(), format.named() and validate(). */
export const formatFunctions: readonly CelFunc[] = [
  ...Object.entries(checks).map(([name, check]) =>
    celFunc(`format.${name}`, [], OPAQUE, () => formats.wrap(check, name)),
  ),
  celFunc('format.named', [STRING], OPAQUE, (name) => optionalOf(formatOf(name))),
  celMethod('validate', OPAQUE, [STRING], DYN, function (text) {
    const problem = formats.unwrap(this)(text);
    return optionalOf(problem === undefined ? undefined : celList([problem]));
  }),
];
