// In: settings and what a pod asks for. Out: the text of one nftables transaction. Pure; step 5 of path 5.
// Source: spec node-agent 3.3 (meaning of each rule) and 3.6 (nftables form). Names and marks are upstream's.

/** Mark of every socket that the node proxy makes inside a pod. */
export const proxyMark = '0x539';
/** Mark of connections that the node proxy opened to the application, for the way back. */
export const returnMark = '0x111';
/** Bits of a mark that the mesh uses. */
export const markMask = '0xfff';

/** Ports of the node proxy inside a pod. */
export const capturePorts = { outbound: 15_001, inboundPlaintext: 15_006, tunnel: 15_008, dns: 15_053 } as const;

/** Tables of the mesh inside a pod. */
export const tables = ['istio-ambient-nat', 'istio-ambient-mangle', 'istio-ambient-raw'] as const;

/** What the rules of one pod depend on. */
export interface PodRuleSettings {
  readonly ipv6: boolean;
  readonly dnsCapture: boolean;
  /** Plaintext from outside goes straight to the application (gateways). */
  readonly bypassInbound: boolean;
  /** Interfaces whose TCP traffic counts as outbound (virtual machines in the pod). Only names that `isInterfaceName` accepts. */
  readonly virtualInterfaces: readonly string[];
  readonly probeIp: string;
  readonly probeIpv6: string;
}

const interfaceCharacters = new Set('abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:@-');

/** True for a text that can stand in a rule as an interface name: 1 to 15 harmless characters, a `+` may follow. */
export function isInterfaceName(text: string): boolean {
  const name = text.endsWith('+') ? text.slice(0, -1) : text;
  return (
    name.length >= 1 && name.length <= 15 && name.split('').every((character) => interfaceCharacters.has(character))
  );
}

const proxy = `meta mark and ${markMask} == ${proxyMark}`;
const notProxy = `meta mark and ${markMask} != ${proxyMark}`;

/** Both families, or IPv4 alone. */
const families = (settings: PodRuleSettings, v4: string, v6: string): readonly string[] =>
  settings.ipv6 ? [v4, v6] : [v4];

function natPrerouting(settings: PodRuleSettings): readonly string[] {
  const virtual = settings.virtualInterfaces.flatMap((name) => [
    `iifname "${name.endsWith('+') ? `${name.slice(0, -1)}*` : name}" meta l4proto tcp counter redirect to :${capturePorts.outbound}`,
    `iifname "${name.endsWith('+') ? `${name.slice(0, -1)}*` : name}" meta l4proto tcp counter return`,
  ]);
  if (settings.bypassInbound) return virtual;
  const capture = `tcp dport != ${capturePorts.tunnel} ${notProxy} counter redirect to :${capturePorts.inboundPlaintext}`;
  return [
    ...virtual,
    ...families(
      settings,
      `meta l4proto tcp ip saddr ${settings.probeIp} counter accept`,
      `meta l4proto tcp ip6 saddr ${settings.probeIpv6} counter accept`,
    ),
    ...families(settings, `ip daddr != 127.0.0.1/32 ${capture}`, `ip6 daddr != ::1/128 ${capture}`),
  ];
}

function natOutput(settings: PodRuleSettings): readonly string[] {
  const dns = `tcp dport 53 ${notProxy} counter redirect to :${capturePorts.dns}`;
  const capture = `${notProxy} counter redirect to :${capturePorts.outbound}`;
  return [
    ...families(
      settings,
      `meta l4proto tcp ip daddr ${settings.probeIp} counter accept`,
      `meta l4proto tcp ip6 daddr ${settings.probeIpv6} counter accept`,
    ),
    ...(settings.dnsCapture
      ? [
          `oifname != "lo" ${notProxy} udp dport 53 counter redirect to :${capturePorts.dns}`,
          ...families(settings, `ip daddr != 127.0.0.1/32 ${dns}`, `ip6 daddr != ::1/128 ${dns}`),
        ]
      : []),
    `meta l4proto tcp meta mark and ${markMask} == ${returnMark} counter accept`,
    ...families(
      settings,
      'oifname "lo" ip daddr != 127.0.0.1/32 counter accept',
      'oifname "lo" ip6 daddr != ::1/128 counter accept',
    ),
    ...families(
      settings,
      `meta l4proto tcp ip daddr != 127.0.0.1/32 ${capture}`,
      `meta l4proto tcp ip6 daddr != ::1/128 ${capture}`,
    ),
  ];
}

const chain = (name: string, hook: string, rules: readonly string[]): string =>
  `  chain ${name} {\n${[hook, ...rules].map((rule) => `    ${rule}\n`).join('')}  }\n`;

const hooked = (type: string, direction: 'prerouting' | 'output', priority: number): string =>
  chain(direction, `type ${type} hook ${direction} priority ${priority}; policy accept;`, [`jump istio-${direction}`]);

function table(
  name: string,
  type: { readonly prerouting: string; readonly output: string },
  priority: number,
  prerouting: readonly string[],
  output: readonly string[],
): string {
  const rules = (direction: string, list: readonly string[]): string =>
    `  chain istio-${direction} {\n${list.map((rule) => `    ${rule}\n`).join('')}  }\n`;
  return `table inet ${name} {\n${rules('prerouting', prerouting)}${rules('output', output)}${hooked(type.prerouting, 'prerouting', priority)}${hooked(type.output, 'output', priority)}}\n`;
}

/** Deletes a table whether it exists or not, within one transaction. */
const withoutTable = (name: string): string => `add table inet ${name}\ndelete table inet ${name}\n`;

/** The transaction that gives a pod exactly these rules, whatever it had before. */
export function buildPodRules(settings: PodRuleSettings): string {
  const mangle = table(
    'istio-ambient-mangle',
    // The output chain re-routes: without type route the changed mark would not be looked at again.
    { prerouting: 'filter', output: 'route' },
    -150,
    [`${proxy} counter ct mark set ct mark and 0xfffff000 or ${returnMark}`],
    [`ct mark and ${markMask} == ${returnMark} counter meta mark set ct mark`],
  );
  const nat = table(
    'istio-ambient-nat',
    { prerouting: 'nat', output: 'nat' },
    -100,
    natPrerouting(settings),
    natOutput(settings),
  );
  const raw = settings.dnsCapture
    ? table(
        'istio-ambient-raw',
        { prerouting: 'filter', output: 'filter' },
        -300,
        [`udp sport 53 ${notProxy} counter ct zone set 1`],
        [`udp dport 53 ${proxy} counter ct zone set 1`],
      )
    : '';
  return tables.map(withoutTable).join('') + mangle + nat + raw;
}

/** The transaction that removes the mesh's tables, whether they exist or not. */
export const buildPodRemoval = (): string => tables.map(withoutTable).join('');
