// In: what a pod should have, the text of iptables-save. Out: the text of one iptables-restore that gets from here to there. Pure;
// step 5 of path 5. Source: spec node-agent 3.3 (the list, in its order), 3.7 and 3.8; gap G18: chains are replaced, never emptied first.
import { capturePorts, markMask, type PodRuleSettings, proxyMark, returnMark } from './plan.ts';

/** The two tools. */
export type IpFamily = 'v4' | 'v6';

/** Rules of one table: chains of the mesh in order, rules in order, as `chain rule` without `-A`. */
export interface TablePlan {
  readonly table: string;
  readonly chains: readonly string[];
  /** Built-in chain and the mesh's chain it jumps to. */
  readonly jumps: readonly { readonly from: string; readonly to: string; readonly first?: boolean }[];
  readonly rules: readonly string[];
}

const chains = ['ISTIO_PRERT', 'ISTIO_OUTPUT'] as const;
const bothJumps = [
  { from: 'PREROUTING', to: 'ISTIO_PRERT' },
  { from: 'OUTPUT', to: 'ISTIO_OUTPUT' },
];

/** The tables that a pod should have in one family. */
export function planPodTables(family: IpFamily, settings: PodRuleSettings): readonly TablePlan[] {
  const loop = family === 'v4' ? '127.0.0.1/32' : '::1/128';
  const probe = family === 'v4' ? `${settings.probeIp}/32` : `${settings.probeIpv6}/128`;
  const mark = (value: string): string => `-m mark --mark ${value}/${markMask}`;
  const notProxy = `-m mark ! --mark ${proxyMark}/${markMask}`;
  const redirect = (port: number): string => `-j REDIRECT --to-ports ${port}`;
  const virtual = settings.virtualInterfaces.flatMap((name) => [
    `ISTIO_PRERT -i ${name} -p tcp ${redirect(capturePorts.outbound)}`,
    `ISTIO_PRERT -i ${name} -p tcp -j RETURN`,
  ]);
  const inbound = settings.bypassInbound
    ? []
    : [
        `ISTIO_PRERT -s ${probe} -p tcp -m tcp -j ACCEPT`,
        `ISTIO_PRERT ! -d ${loop} -p tcp -m tcp ! --dport ${capturePorts.tunnel} ${notProxy} ${redirect(capturePorts.inboundPlaintext)}`,
      ];
  const dns = settings.dnsCapture
    ? [
        `ISTIO_OUTPUT ! -o lo -p udp ${notProxy} -m udp --dport 53 ${redirect(capturePorts.dns)}`,
        `ISTIO_OUTPUT ! -d ${loop} -p tcp -m tcp --dport 53 ${notProxy} ${redirect(capturePorts.dns)}`,
      ]
    : [];
  const mangle: TablePlan = {
    table: 'mangle',
    chains,
    jumps: bothJumps,
    rules: [
      `ISTIO_PRERT ${mark(proxyMark)} -j CONNMARK --set-xmark ${returnMark}/${markMask}`,
      `ISTIO_OUTPUT -m connmark --mark ${returnMark}/${markMask} -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff`,
    ],
  };
  const nat: TablePlan = {
    table: 'nat',
    chains,
    jumps: bothJumps,
    rules: [
      ...virtual,
      ...inbound,
      `ISTIO_OUTPUT -d ${probe} -p tcp -m tcp -j ACCEPT`,
      ...dns,
      `ISTIO_OUTPUT -p tcp ${mark(returnMark)} -j ACCEPT`,
      `ISTIO_OUTPUT ! -d ${loop} -o lo -j ACCEPT`,
      `ISTIO_OUTPUT ! -d ${loop} -p tcp ${notProxy} ${redirect(capturePorts.outbound)}`,
    ],
  };
  const raw: TablePlan = {
    table: 'raw',
    chains,
    jumps: bothJumps,
    rules: [
      `ISTIO_OUTPUT -p udp ${mark(proxyMark)} -m udp --dport 53 -j CT --zone 1`,
      `ISTIO_PRERT -p udp ${notProxy} -m udp --sport 53 -j CT --zone 1`,
    ],
  };
  return settings.dnsCapture ? [mangle, nat, raw] : [mangle, nat];
}

/** What iptables-save says about the mesh in one table. */
export interface SavedTable {
  readonly chains: readonly string[];
  /** Rules of foreign chains that jump to a chain of the mesh, without `-A`. */
  readonly jumps: readonly string[];
  /** Every rule of the table in order, without `-A`. */
  readonly rules: readonly string[];
}

const isOurs = (chain: string | undefined): boolean => chain?.startsWith('ISTIO_') === true;

/** Reads the text of iptables-save. Linear; what cannot be read is left out. */
export function parseSaved(text: string): ReadonlyMap<string, SavedTable> {
  const tables = new Map<string, { chains: string[]; jumps: string[]; rules: string[] }>();
  let current = { chains: [] as string[], jumps: [] as string[], rules: [] as string[] };
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) {
      current = { chains: [], jumps: [], rules: [] };
      tables.set(line.slice(1), current);
    } else if (line.startsWith(':')) {
      const name = line.slice(1).split(' ')[0];
      if (name !== undefined && isOurs(name)) current.chains.push(name);
    } else if (line.startsWith('-A ')) {
      const rule = line.slice(3);
      current.rules.push(rule);
      const words = rule.split(' ');
      if (!isOurs(words[0]) && isOurs(words[words.lastIndexOf('-j') + 1])) current.jumps.push(rule);
    }
  }
  return tables;
}

function replaceTable(plan: TablePlan, saved: SavedTable | undefined): readonly string[] {
  const wanted = plan.jumps.map(({ from, to }) => `${from} -j ${to}`);
  const isInPlace = (jump: string): boolean => {
    const want = plan.jumps.find(({ from, to }) => `${from} -j ${to}` === jump);
    if (want === undefined || saved?.jumps.filter((other) => other === jump).length !== 1) return false;
    return want.first !== true || saved.rules.find((rule) => rule.startsWith(`${want.from} `)) === jump;
  };
  const stale = (saved?.jumps ?? []).filter((jump) => !isInPlace(jump));
  const unknown = (saved?.chains ?? []).filter((chain) => !plan.chains.includes(chain));
  return [
    `*${plan.table}`,
    // A declared chain is created, or emptied if it exists; both within the table's one commit.
    ...plan.chains.map((chain) => `:${chain} - [0:0]`),
    ...stale.map((jump) => `-D ${jump}`),
    ...plan.jumps
      .filter((_, index) => !(saved?.jumps ?? []).some((jump) => jump === wanted[index] && isInPlace(jump)))
      .map(({ from, to, first }) => (first === true ? `-I ${from} 1 -j ${to}` : `-A ${from} -j ${to}`)),
    ...plan.rules.map((rule) => `-A ${rule}`),
    ...unknown.map((chain) => `-F ${chain}`),
    ...unknown.map((chain) => `-X ${chain}`),
    'COMMIT',
  ];
}

function clearTable(table: string, saved: SavedTable): readonly string[] {
  if (saved.chains.length === 0 && saved.jumps.length === 0) return [];
  return [
    `*${table}`,
    ...saved.jumps.map((jump) => `-D ${jump}`),
    ...saved.chains.map((chain) => `-F ${chain}`),
    ...saved.chains.map((chain) => `-X ${chain}`),
    'COMMIT',
  ];
}

/**
 * The input of `iptables-restore --noflush` after which exactly the planned chains of the mesh exist, whatever was there. Empty when
 * nothing is to be done. Other software's rules stay. Each table changes at once; there is no moment without rules.
 */
export function buildRestore(plans: readonly TablePlan[], saved: ReadonlyMap<string, SavedTable>): string {
  const planned = new Set(plans.map(({ table }) => table));
  const lines = [
    ...plans.flatMap((plan) => replaceTable(plan, saved.get(plan.table))),
    ...[...saved].filter(([table]) => !planned.has(table)).flatMap(([table, state]) => clearTable(table, state)),
  ];
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

/** Order by chain; rules of one chain are equal in it. */
function byChain(left: string, right: string): number {
  const [one = '', other = ''] = [left, right].map((rule) => rule.split(' ')[0]);
  if (one === other) return 0;
  return one < other ? -1 : 1;
}

/**
 * The mesh's part of a saved text, in a form that two prints of the same rules share, be they of two pods: no counters, no dates, tables and
 * chains in the order of their names. Rules of one chain stay in their order.
 */
export function ownRulesOf(text: string): string {
  return [...parseSaved(text)]
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
    .flatMap(([table, { chains: own, rules }]) => [
      ...own.toSorted().map((chain) => `${table} :${chain}`),
      ...rules
        .filter((rule) => rule.split(' ').some((word) => isOurs(word)))
        .toSorted(byChain)
        .map((rule) => `${table} ${rule}`),
    ])
    .join('\n');
}
