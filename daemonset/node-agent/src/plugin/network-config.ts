// In: what the container runtime gives a plugin: its configuration and its arguments. Out: the parts that matter. Pure. Called by
// run-plugin.ts. No dependencies: this file is part of the executable on the host. Source: spec node-agent 6.1 and 6.3.
import type { EnablementSelector } from '../select/eligible.ts';

/** The plugin's element of the CNI configuration. */
export interface NetworkConfig {
  readonly cniVersion: string;
  readonly runDir: string;
  readonly ambientEnabled: boolean;
  readonly selectors: readonly EnablementSelector[];
  readonly excludedNamespaces: readonly string[];
  /** Namespace of the node agent. */
  readonly agentNamespace: string;
  readonly retries: boolean;
  /** What the plugins before made; handed on unchanged. */
  readonly previous: Readonly<Record<string, unknown>> | undefined;
}

type Json = Readonly<Record<string, unknown>>;
const objectOf = (value: unknown): Json | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
const textOf = (value: unknown, fallback: string): string => (typeof value === 'string' ? value : fallback);

/** Longest configuration that is read, in characters; a result with thousands of addresses fits. */
export const configLimit = 1024 * 1024;

/** Reads the configuration. Throws Error on what is too long, is no JSON object or has no selectors that can be read. */
export function parseNetworkConfig(text: string): NetworkConfig {
  if (text.length > configLimit) throw new Error(`it has more than ${configLimit} characters`);
  const config = objectOf(JSON.parse(text));
  if (config === undefined) throw new Error('the configuration on stdin is not a JSON object');
  const selectors = config['enablement_selectors'] ?? [];
  const excluded = config['exclude_namespaces'] ?? [];
  if (!Array.isArray(selectors) || !Array.isArray(excluded))
    throw new Error('enablement_selectors and exclude_namespaces must be lists');
  return {
    cniVersion: textOf(config['cniVersion'], '0.3.1'),
    runDir: textOf(config['cni_agent_run_dir'], '/var/run/istio-cni'),
    ambientEnabled: config['ambient_enabled'] === true,
    selectors: selectors.map((entry: unknown) => ({
      podSelector: objectOf(objectOf(entry)?.['podSelector']) ?? {},
      namespaceSelector: objectOf(objectOf(entry)?.['namespaceSelector']) ?? {},
    })),
    excludedNamespaces: excluded.filter((name): name is string => typeof name === 'string'),
    agentNamespace: textOf(config['pod_namespace'], ''),
    retries: config['enable_ambient_detection_retry'] === true,
    previous: objectOf(config['prevResult']),
  };
}

/** Reads `CNI_ARGS`: pairs `name=value`, separated by semicolons. Unknown ones are kept and do no harm. */
export function parseArguments(text: string): Readonly<Record<string, string>> {
  const pairs = text.split(';').flatMap((pair) => {
    const at = pair.indexOf('=');
    return at <= 0 ? [] : [[pair.slice(0, at), pair.slice(at + 1)] as const];
  });
  return Object.fromEntries(pairs);
}

interface AddressEntry {
  readonly Interface: number | null;
  readonly Address: { readonly IP: string; readonly Mask: string };
  readonly Gateway: string;
}

/** Base64 of the bytes of a mask with so many leading ones. */
function maskOf(bits: number, bytes: number): string {
  return Buffer.from(
    Array.from({ length: bytes }, (_, index) => 256 - 2 ** (8 - Math.min(8, Math.max(0, bits - 8 * index)))).map(
      (byte) => byte & 255,
    ),
  ).toString('base64');
}

function entryOf(address: string, gateway: unknown, interfaceIndex: unknown): AddressEntry | undefined {
  const [ip = '', length = ''] = address.split('/');
  if (ip === '') return undefined;
  const bytes = ip.includes(':') ? 16 : 4;
  return {
    Interface: typeof interfaceIndex === 'number' ? interfaceIndex : null,
    Address: { IP: ip, Mask: maskOf(length === '' ? bytes * 8 : Number(length), bytes) },
    Gateway: textOf(gateway, ''),
  };
}

/** Addresses of a result, of any version of the format: 0.1.0 and 0.2.0 have `ip4` and `ip6`, later ones a list. */
export function addressesOfResult(previous: Json | undefined): readonly AddressEntry[] {
  if (previous === undefined) return [];
  const list = Array.isArray(previous['ips']) ? (previous['ips'] as unknown[]) : [];
  const old = [objectOf(previous['ip4']), objectOf(previous['ip6'])];
  return [
    ...list.map((entry) => {
      const fields = objectOf(entry);
      return entryOf(textOf(fields?.['address'], ''), fields?.['gateway'], fields?.['interface']);
    }),
    ...old.map((entry) => entryOf(textOf(entry?.['ip'], ''), entry?.['gateway'], undefined)),
  ].filter((entry) => entry !== undefined);
}
