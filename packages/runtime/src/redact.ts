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

/** Answers so far: the names of fields are constants of the code, and a line asks for each of its own. */
const known = new Map<string, boolean>();
/** Names that come from elsewhere must not pile up. */
const MAX_KNOWN = 1000;

/** True for field names whose values are secrets: the last dotted part decides, without `_` and in lower case. */
export function isSecretName(name: string): boolean {
  let answer = known.get(name);
  if (answer === undefined) {
    answer = isSecret(name);
    if (known.size < MAX_KNOWN) known.set(name, answer);
  }
  return answer;
}

function isSecret(name: string): boolean {
  const last = name.slice(name.lastIndexOf('.') + 1);
  return SECRET_NAMES.has(last.toLowerCase().split('_').join(''));
}
