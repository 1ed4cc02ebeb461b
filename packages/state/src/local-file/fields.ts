// Reads one object of the local state file key by key and notes what is wrong. Called by local-file.ts only; pure.

/** Longest list that is read from the file. */
const maxItems = 100_000;

/** Collects problems as `path: text`. */
export class Fields {
  readonly #path: string;
  readonly #values: Readonly<Record<string, unknown>>;
  readonly #problems: string[];
  readonly #seen = new Set<string>();

  constructor(path: string, value: unknown, problems: string[]) {
    this.#path = path;
    this.#problems = problems;
    this.#values = isObject(value) ? value : {};
    if (!isObject(value)) problems.push(`${path}: expected an object`);
  }

  has(key: string): boolean {
    this.#seen.add(key);
    return this.#values[key] !== undefined && this.#values[key] !== null;
  }

  /** `fallback` undefined = required. */
  text(key: string, fallback?: string): string {
    return this.#read(key, fallback, (value) => (typeof value === 'string' ? value : undefined), 'text') ?? '';
  }

  flag(key: string, fallback?: boolean): boolean {
    return (
      this.#read(key, fallback, (value) => (typeof value === 'boolean' ? value : undefined), 'true or false') ?? false
    );
  }

  count(key: string, fallback?: number): number {
    return this.#read(key, fallback, (value) => (isCount(value) ? value : undefined), 'a whole number') ?? 0;
  }

  choice<T>(key: string, choices: Readonly<Record<string, T>>, fallback?: T): T | undefined {
    const find = (value: unknown): T | undefined =>
      typeof value === 'string' && Object.hasOwn(choices, value) ? choices[value] : undefined;
    return this.#read(key, fallback, find, `one of ${Object.keys(choices).join(', ')}`);
  }

  /** Items of a list; absent = empty unless required. */
  list<T>(key: string, item: (value: unknown, path: string) => T | undefined, isRequired = false): T[] {
    const read = (value: unknown): readonly unknown[] | undefined =>
      Array.isArray(value) && value.length <= maxItems ? value : undefined;
    const items = this.#read<readonly unknown[]>(key, isRequired ? undefined : [], read, 'a list') ?? [];
    const found: T[] = [];
    for (const [index, value] of items.entries()) {
      // An item may itself be an array, so no flatMap here.
      const made = item(value, `${this.#path}.${key}[${index}]`);
      if (made !== undefined) found.push(made);
    }
    return found;
  }

  /** Entries of a map; absent = empty unless required. */
  entries(key: string, isRequired = false): [string, unknown][] {
    const read = (value: unknown): Record<string, unknown> | undefined => (isObject(value) ? value : undefined);
    return Object.entries(this.#read(key, isRequired ? undefined : {}, read, 'a map') ?? {});
  }

  /** Any value, for a reader of its own. */
  value(key: string): unknown {
    this.#seen.add(key);
    return this.#values[key];
  }

  pathOf(key: string): string {
    return `${this.#path}.${key}`;
  }

  problem(key: string, text: string): undefined {
    this.#problems.push(`${this.#path}.${key}: ${text}`);
    return undefined;
  }

  /** Notes every key that nobody asked for. */
  end(): void {
    for (const key of Object.keys(this.#values)) {
      if (!this.#seen.has(key)) this.#problems.push(`${this.#path}: unknown key ${key.slice(0, 64)}`);
    }
  }

  #read<T>(
    key: string,
    fallback: T | undefined,
    read: (value: unknown) => T | undefined,
    wanted: string,
  ): T | undefined {
    if (!this.has(key)) return fallback === undefined ? this.problem(key, 'is required') : fallback;
    return read(this.#values[key]) ?? this.problem(key, `expected ${wanted}`);
  }
}

/** A plain object. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A number from 0 that fits 32 bits. */
export function isCount(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 0xffff_ffff;
}
