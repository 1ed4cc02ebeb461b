// In: text of a client. Out: whether it consists of certain characters. Linear scans instead of native regular expressions,
// which never see outside data. Called by the readers and validators of this API. Pure.

const digits = '0123456789';
const lower = 'abcdefghijklmnopqrstuvwxyz';

/** Characters of numbers. */
export const decimalDigits: ReadonlySet<string> = new Set(digits);
/** Characters with which a DNS-1035 label begins. */
export const lowerLetters: ReadonlySet<string> = new Set(lower);
/** Characters of DNS labels. */
export const labelCharacters: ReadonlySet<string> = new Set(`${lower}${digits}-`);
/** Letters of both cases and digits. */
export const alphanumerics: ReadonlySet<string> = new Set(lower + lower.toUpperCase() + digits);
/** Letters of both cases, digits and `_`. */
export const wordCharacters: ReadonlySet<string> = new Set([...alphanumerics, '_']);
/** Characters of label values and of the name part of keys. */
export const nameCharacters: ReadonlySet<string> = new Set([...alphanumerics, '-', '_', '.']);

/** True when the text is not empty and holds only characters of the set. */
export function isMadeOf(text: string, allowed: ReadonlySet<string>): boolean {
  for (let index = 0; index < text.length; index++) if (!allowed.has(text.charAt(index))) return false;
  return text !== '';
}

/** True for one to `maxLength` decimal digits. */
export function isDigits(text: string, maxLength: number): boolean {
  return text.length <= maxLength && isMadeOf(text, decimalDigits);
}
