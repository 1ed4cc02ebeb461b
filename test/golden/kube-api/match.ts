// Compares a recorded value with an answer. In: expectation with placeholders (`<rv:1>`, `<time>`), the answer, what the
// placeholders stood for so far. Out: the first differences. Called by the replay. Pure but for the bindings.

/** What placeholders of one scenario are bound to. */
export type Bindings = Map<string, string>;

const placeholder = /<(rv|uid|continue|token|genname)(?::\d+)?>|<time>|<hash>|<age>/g;

const escape = (text: string): string => text.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`);

/** Replaces bound placeholders; unbound ones become a harmless value of their kind. */
export function fillIn(text: string, bindings: Bindings): string {
  return text.replaceAll(placeholder, (name) => {
    const bound = bindings.get(name);
    if (bound !== undefined) return bound;
    if (name.startsWith('<uid')) return '11111111-1111-1111-1111-111111111111';
    if (name.startsWith('<rv')) return '1';
    return 'x';
  });
}

function matchText(expected: string, actual: string, bindings: Bindings): boolean {
  const names: string[] = [];
  let last = 0;
  let source = '^';
  for (const found of expected.matchAll(placeholder)) {
    source += escape(expected.slice(last, found.index));
    const name = found[0];
    const bound = name === '<time>' ? undefined : bindings.get(name);
    if (bound !== undefined) source += escape(bound);
    else {
      source += '([^"\\s]*?)';
      names.push(name);
    }
    last = found.index + name.length;
  }
  source += `${escape(expected.slice(last))}$`;
  const match = new RegExp(source, 's').exec(actual);
  if (match === null) return false;
  for (const [index, name] of names.entries()) if (/:\d+>$/.test(name)) bindings.set(name, match[index + 1] ?? '');
  return true;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** How exact a comparison is. */
export interface MatchMode {
  /** Builtin kinds were recorded without defaults: what we add is fine, ownership differs with it. */
  readonly isLoose: boolean;
}

const nameOf = (item: unknown): unknown =>
  isRecord(item)
    ? (item['name'] ??
      item['resource'] ??
      item['subresource'] ??
      item['version'] ??
      (isRecord(item['metadata']) ? item['metadata']['name'] : undefined))
    : item;

function compareLists(
  expected: readonly unknown[],
  actual: unknown,
  path: string,
  bindings: Bindings,
  mode: MatchMode,
): string[] {
  if (!Array.isArray(actual)) {
    const items = isRecord(actual) ? actual['items'] : undefined;
    if (!Array.isArray(items)) return [`${path}: expected a list, got ${JSON.stringify(actual)?.slice(0, 200)}`];
    return compareLists(expected, items, path, bindings, mode);
  }
  if (expected.every((item) => typeof item === 'string') && actual.some(isRecord)) {
    return JSON.stringify(expected) === JSON.stringify(actual.map(nameOf))
      ? []
      : [`${path}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual.map(nameOf))}`];
  }
  if (mode.isLoose && expected.some((item) => nameOf(item) !== undefined)) {
    return expected.flatMap((item, index) => {
      const same = actual.filter((other) => nameOf(other) === nameOf(item));
      const tries = (same.length === 0 ? [actual[index]] : same).map((other) =>
        compare(item, other, `${path}[${index}]`, bindings, mode),
      );
      return tries.find((problems) => problems.length === 0) ?? tries[0] ?? [];
    });
  }
  if (expected.length !== actual.length)
    return [
      `${path}: expected ${expected.length} elements, got ${actual.length}: ${JSON.stringify(actual).slice(0, 300)}`,
    ];
  return expected.flatMap((item, index) => compare(item, actual[index], `${path}[${index}]`, bindings, mode));
}

/** Texts of Go's own runtime that only have to be there. */
const goText =
  /error parsing regexp|nvalid value: "\{|Object 'Kind' is missing|protobuf message|strconv\.ParseUint|json: cannot unmarshal|<nil>|couldn't get version\/kind|invalid character|line \d+|error decoding|json parse error|\/registry\//;

function compareObjects(
  expected: Record<string, unknown>,
  actual: unknown,
  path: string,
  bindings: Bindings,
  mode: MatchMode,
): string[] {
  if (!isRecord(actual)) return [`${path}: expected an object, got ${JSON.stringify(actual)?.slice(0, 200)}`];
  const problems: string[] = [];
  for (const [key, value] of Object.entries(expected)) {
    const here = `${path}.${key}`;
    if (
      mode.isLoose &&
      [
        'managedFields',
        'storageVersionHash',
        'verbs',
        'generation',
        'serverAddress',
        'serverRelativeURL',
        'parameters',
      ].includes(key)
    )
      continue;
    // The standard columns have our own description.
    if (
      key === 'description' &&
      (expected['name'] === 'Name' || expected['name'] === 'Age') &&
      typeof actual[key] === 'string'
    )
      continue;
    if (key === 'message' && typeof value === 'string' && goText.test(value) && typeof actual[key] === 'string')
      continue;
    if (typeof value === 'string' && /^<\d+ items>$/.test(value)) {
      if (!Array.isArray(actual[key]) || `<${actual[key].length} items>` !== value)
        problems.push(`${here}: expected ${value}`);
      continue;
    }
    if (value === '<as sent>') continue;
    problems.push(...compare(value, actual[key], here, bindings, mode));
  }
  if (!mode.isLoose) {
    for (const key of Object.keys(actual))
      if (!(key in expected)) problems.push(`${path}.${key}: unexpected ${JSON.stringify(actual[key])?.slice(0, 200)}`);
  }
  return problems;
}

/** Differences between an expectation and a value, the path first. */
export function compare(
  expected: unknown,
  actual: unknown,
  path: string,
  bindings: Bindings,
  mode: MatchMode,
): string[] {
  if (Array.isArray(expected)) return compareLists(expected, actual, path, bindings, mode);
  if (isRecord(expected)) return compareObjects(expected, actual, path, bindings, mode);
  if (typeof expected === 'string') {
    return typeof actual === 'string' && matchText(expected, actual, bindings)
      ? []
      : [`${path}: expected ${JSON.stringify(fillIn(expected, bindings))}, got ${JSON.stringify(actual)}`];
  }
  return expected === actual ? [] : [`${path}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`];
}
