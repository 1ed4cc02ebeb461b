/**
 * Rules for names, labels and annotations with the texts clients know. Linear scans, no backtracking. Called by
 * metadata validation and selectors. Pure.
 */

import { alphanumerics, isMadeOf, labelCharacters, lowerLetters, nameCharacters } from '../characters.ts';

const subdomainText =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const labelText =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const label1035Text =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const qualifiedText =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const valueText =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

const isLabel = (text: string): boolean =>
  isMadeOf(text, labelCharacters) && !text.startsWith('-') && !text.endsWith('-');
const isSubdomain = (text: string): boolean => text.split('.').every(isLabel);
const isQualifiedPart = (text: string): boolean =>
  isMadeOf(text, nameCharacters) &&
  alphanumerics.has(text.charAt(0)) &&
  alphanumerics.has(text.charAt(text.length - 1));

/** How names of a kind are checked. */
export type NameRule = 'subdomain' | 'label' | 'label1035' | 'path';

/** What is wrong with a name, or undefined. */
export function nameProblem(name: string, rule: NameRule): string | undefined {
  if (rule === 'path') {
    if (name === '.' || name === '..') return `may not be '${name}'`;
    const bad = ['/', '%'].find((char) => name.includes(char));
    return bad === undefined ? undefined : `may not contain '${bad}'`;
  }
  const limit = rule === 'subdomain' ? 253 : 63;
  if (name.length > limit) return `must be no more than ${limit} bytes`;
  if (rule === 'subdomain') return isSubdomain(name) ? undefined : subdomainText;
  if (rule === 'label') return isLabel(name) ? undefined : labelText;
  return isLabel(name) && lowerLetters.has(name.charAt(0)) ? undefined : label1035Text;
}

/** What is wrong with the key of a label or annotation, or undefined. */
export function labelKeyProblem(key: string): string | undefined {
  const parts = key.split('/');
  if (parts.length > 2) {
    return `a qualified name ${qualifiedText.slice('name part '.length)} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`;
  }
  const name = parts.at(-1) ?? '';
  if (parts.length === 2) {
    const prefix = parts[0] ?? '';
    if (prefix === '') return 'prefix part must be non-empty';
    if (prefix.length > 253) return 'prefix part must be no more than 253 bytes';
    if (!isSubdomain(prefix)) return `prefix part ${subdomainText}`;
  }
  if (name === '') return 'name part must be non-empty';
  if (name.length > 63) return 'name part must be no more than 63 bytes';
  return isQualifiedPart(name) ? undefined : qualifiedText;
}

/** What is wrong with a label's value, or undefined. */
export function labelValueProblem(value: string): string | undefined {
  if (value.length > 63) return 'must be no more than 63 bytes';
  return value === '' || isQualifiedPart(value) ? undefined : valueText;
}
