/**
 * Validation of ClusterTrustBundles: a name that belongs to the signer, and nothing but certificates. In: object; out: problems with field
 * paths. Pure.
 */

import { X509Certificate } from 'node:crypto';
import { invalidValue, required } from '../field-error.ts';
import { textAt } from '../json.ts';
import type { JsonObject } from '../json.ts';
import type { FieldProblem } from '../status.ts';
import { nameProblem } from './names.ts';

const BEGIN = '-----BEGIN CERTIFICATE-----';
const END = '-----END CERTIFICATE-----';
/** Most certificates; more are refused before any is read. */
const MAX_CERTIFICATES = 1_000;

/** Problems of a bundle. */
export function trustBundleProblems(object: JsonObject): FieldProblem[] {
  const bundle = textAt(object, 'spec', 'trustBundle');
  const text = bundle === '' ? undefined : bundleProblem(bundle);
  return [
    ...signedNameProblems(textAt(object, 'metadata', 'name'), textAt(object, 'spec', 'signerName')),
    ...(bundle === '' ? [required('spec.trustBundle')] : []),
    ...(text === undefined ? [] : [invalidValue('spec.trustBundle', '<value omitted>', text)]),
  ];
}

/** A bundle of the signer `a/b` is called `a:b:<name>`, one of no signer has a plain name. */
function signedNameProblems(name: string, signer: string): FieldProblem[] {
  const prefix = signer === '' ? '' : `${signer.replaceAll('/', ':')}:`;
  if (!name.startsWith(prefix))
    return [
      invalidValue(
        'metadata.name',
        name,
        `ClusterTrustBundle for signerName ${signer} must be named with prefix ${prefix}`,
      ),
    ];
  const text = nameProblem(name.slice(prefix.length), 'subdomain');
  return text === undefined ? [] : [invalidValue('metadata.name', name, text)];
}

/** What is wrong with the text, or undefined. Between certificates any text may stand, as PEM allows, but no other block. */
function bundleProblem(bundle: string): string | undefined {
  const parts = bundle.split(BEGIN);
  if (parts.length === 1) return 'at least one trust anchor must be provided';
  if (parts.length - 1 > MAX_CERTIFICATES) return `must have at most ${MAX_CERTIFICATES} certificates`;
  const seen = new Set<string>();
  for (const [index, part] of parts.entries()) {
    const end = index === 0 ? 0 : part.indexOf(END);
    const rest = part.slice(index === 0 ? 0 : end + END.length);
    if (rest.includes('-----BEGIN ')) return 'entry has bad block type';
    if (index === 0) continue;
    const fingerprint = end === -1 ? undefined : fingerprintOf(`${BEGIN}${part.slice(0, end)}${END}`);
    if (fingerprint === undefined) return `entry ${index - 1} does not parse as X.509`;
    if (seen.has(fingerprint)) return `entry ${index - 1} is a duplicate`;
    seen.add(fingerprint);
  }
  return undefined;
}

function fingerprintOf(pem: string): string | undefined {
  try {
    return new X509Certificate(pem).fingerprint256;
  } catch {
    return undefined;
  }
}
