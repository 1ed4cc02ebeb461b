// In: the name of a log field or setting. Out: whether its value must never be shown. Pure; any thread.

const SECRET_NAMES: ReadonlySet<string> = new Set([
  'authorization',
  'cookie',
  'password',
  'privatekey',
  'privatekeypem',
  'secret',
  'set-cookie',
  'token',
  'tokens',
]);

/** True for field names whose values are secrets: the last dotted part decides, without `_` and in lower case. */
export function isSecretName(name: string): boolean {
  const last = name.slice(name.lastIndexOf('.') + 1);
  return SECRET_NAMES.has(last.toLowerCase().split('_').join(''));
}
