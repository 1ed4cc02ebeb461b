// In: a word of the command line that names a thing. Out: what kind of thing it can be. Pure. Called by resolve.ts and commands (CLI-2).
import { isIP } from 'node:net';
import { CliError } from '../errors.ts';

/** A name as a person writes it. Without a namespace the one of the command line counts. */
export type Reference =
  | {
      readonly kind: 'pod' | 'deployment' | 'daemonset' | 'service' | 'serviceaccount' | 'gateway';
      readonly name: string;
      readonly namespace?: string;
    }
  | { readonly kind: 'node'; readonly name: string }
  | { readonly kind: 'address'; readonly ip: string }
  | { readonly kind: 'principal'; readonly principal: string }
  | { readonly kind: 'hostname'; readonly hostname: string }
  /** Neither prefix nor form says what it is. */
  | { readonly kind: 'any'; readonly name: string; readonly namespace?: string };

const prefixes = {
  po: 'pod',
  pod: 'pod',
  pods: 'pod',
  deploy: 'deployment',
  deployment: 'deployment',
  deployments: 'deployment',
  ds: 'daemonset',
  daemonset: 'daemonset',
  daemonsets: 'daemonset',
  svc: 'service',
  service: 'service',
  services: 'service',
  sa: 'serviceaccount',
  serviceaccount: 'serviceaccount',
  gtw: 'gateway',
  gateway: 'gateway',
  waypoint: 'gateway',
} as const satisfies Record<string, Exclude<Reference['kind'], 'node' | 'address' | 'principal' | 'hostname' | 'any'>>;

function split(text: string): { readonly name: string; readonly namespace?: string } {
  const dot = text.indexOf('.');
  return dot < 0 ? { name: text } : { name: text.slice(0, dot), namespace: text.slice(dot + 1) };
}

/** Reads a reference: `pod`, `pod.ns`, `deploy/x[.ns]`, `svc/x`, `sa/x`, `node/x`, an IP address, a SPIFFE URI or a host name. */
export function parseReference(text: string): Reference {
  if (text === '') throw new CliError('ERR_CLI_INVALID', 'an empty name names nothing');
  if (text.startsWith('spiffe://')) return { kind: 'principal', principal: text };
  if (isIP(text) !== 0) return { kind: 'address', ip: text };
  const slash = text.indexOf('/');
  if (slash > 0) {
    const prefix = text.slice(0, slash);
    const rest = text.slice(slash + 1);
    if (rest === '') throw new CliError('ERR_CLI_INVALID', `"${text}" has no name after the slash`);
    if (prefix === 'node' || prefix === 'no') return { kind: 'node', name: rest };
    if (Object.hasOwn(prefixes, prefix)) return { kind: prefixes[prefix as keyof typeof prefixes], ...split(rest) };
    throw new CliError('ERR_CLI_INVALID', `"${prefix}" is no kind that can be named here`, {
      hint: 'pod/, deploy/, ds/, svc/, sa/, gateway/, node/, an IP address, a SPIFFE URI or a host name',
    });
  }
  // name.namespace has one dot; more dots are a host name.
  if (text.split('.').length > 2) return { kind: 'hostname', hostname: text };
  return { kind: 'any', ...split(text) };
}

/** Takes `:port` off the end of a word; brackets hold an IPv6 address. Throws ERR_CLI_INVALID on a port out of range. */
export function splitPort(text: string): { readonly target: string; readonly port?: number } {
  const bracket = text.startsWith('[') ? text.indexOf(']') : -1;
  const target = bracket > 0 ? text.slice(1, bracket) : text;
  const tail = bracket > 0 ? text.slice(bracket + 1) : text.startsWith('spiffe:') || isIP(text) === 6 ? '' : text;
  const colon = tail.lastIndexOf(':');
  if (colon < 0) return { target };
  const port = Number(tail.slice(colon + 1));
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new CliError('ERR_CLI_INVALID', `"${tail.slice(colon + 1)}" is no port`, {
      hint: 'a number from 1 to 65535',
    });
  return { target: bracket > 0 ? target : text.slice(0, text.lastIndexOf(':')), port };
}
