// In: the command line and the environment. Out: one environment in which a flag has won over its variable. Pure. Called by config.ts.
// Source: spec node-agent 8.1: every flag `--a-b` is the variable `A_B`, and upstream's flags for logs and its page for operators.
import { ConfigError, type EnvSchema } from '@ambit/runtime/env';

/** A set of variables. */
export type Variables = Readonly<Record<string, string | undefined>>;

/** Texts that upstream reads as booleans. */
const trueTexts = new Set(['1', 't', 'T', 'TRUE', 'true', 'True']);
const falseTexts = new Set(['0', 'f', 'F', 'FALSE', 'false', 'False']);

/** Our level for upstream's. */
const levels: Readonly<Record<string, string>> = { none: 'off', fatal: 'error' };
/** Our scopes for upstream's. */
const scopes: Readonly<Record<string, string>> = { 'cni-agent': 'node-agent', 'cni-plugin': 'node-agent::cni-plugin' };

/** `default:info,cni-agent:debug` as the filter that our logger reads. */
export function logFilterOf(text: string): string {
  return text
    .split(',')
    .filter((part) => part.trim() !== '')
    .map((part) => {
      const [first = '', second] = part.trim().split(':');
      const level = second ?? first;
      const ours = levels[level] ?? level;
      return second === undefined || first === 'default' ? ours : `${scopes[first] ?? first}=${ours}`;
    })
    .join(',');
}

/** Flags of upstream that are no variables of ours. */
const named: Readonly<Record<string, { readonly isSwitch: boolean; readonly set: (value: string) => Variables }>> = {
  LOG_OUTPUT_LEVEL: { isSwitch: false, set: (value) => ({ LOG_LEVEL: logFilterOf(value) }) },
  LOG_AS_JSON: { isSwitch: true, set: (value) => ({ LOG_FORMAT: value === 'true' ? 'json' : 'plain' }) },
  CTRLZ_PORT: { isSwitch: false, set: (value) => ({ AMBIT_DEBUG_PORT: value }) },
  // Our page for operators is on loopback, always.
  CTRLZ_ADDRESS: { isSwitch: false, set: () => ({}) },
};

function booleanOf(value: string): string {
  if (trueTexts.has(value)) return 'true';
  return falseTexts.has(value) ? 'false' : value;
}

/**
 * Joins both. Booleans may be written as upstream writes them (`1`, `T`); one that is none stays as it is, for the table to refuse.
 * Throws ConfigError that names every flag that is unknown or has no value.
 */
export function joinArguments(schema: EnvSchema, args: readonly string[], environment: Variables): Variables {
  const isBoolean = (name: string): boolean => schema[name]?.type === 'bool';
  const problems: string[] = [];
  const flags: Record<string, string | undefined> = {};
  const rest = [...args];
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    const at = arg.indexOf('=');
    const written = at < 0 ? arg : arg.slice(0, at);
    const name = written.slice(2).replaceAll('-', '_').toUpperCase();
    const own = Object.hasOwn(named, name) ? named[name] : undefined;
    if (!written.startsWith('--') || (own === undefined && !Object.hasOwn(schema, name))) {
      problems.push(`${written.slice(0, 60)} is no flag`);
      continue;
    }
    const isSwitch = own?.isSwitch ?? isBoolean(name);
    // A switch never takes the next word.
    const value = at >= 0 ? arg.slice(at + 1) : isSwitch ? 'true' : rest.shift();
    if (value === undefined) problems.push(`${written} has no value`);
    else Object.assign(flags, own === undefined ? { [name]: value } : own.set(isSwitch ? booleanOf(value) : value));
  }
  if (problems.length > 0) throw new ConfigError(problems);
  const all = { ...environment, ...flags };
  const booleans = Object.entries(all).filter(([name]) => isBoolean(name));
  return { ...all, ...Object.fromEntries(booleans.map(([name, value]) => [name, booleanOf(value ?? '')])) };
}
