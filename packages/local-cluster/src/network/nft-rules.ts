// The nftables text of a node's services. Pure.
// Comes in: the service table. Goes out: one text that replaces the whole table at once (`nft -f`).
import type { ServiceRoute } from './service-table.ts';

/** The table's name; clashes with nothing the mesh installs. */
export const NFT_TABLE = 'ambit_cluster_services';
const MASQUERADE_MARK = '0x00040000';

/** Builds the text. DNAT picks a random endpoint; ports without endpoints are refused; hairpins are masqueraded. */
export function buildNftRules(routes: readonly ServiceRoute[], nodeIp: string): string {
  const chains: string[] = [];
  const dispatch: string[] = [];
  const refused: string[] = [];
  const hairpins = new Set<string>();
  const taken = new Set<string>();
  // Two services with the same external address: the first one has it, the rest of the table stays valid.
  const first = (key: string): string[] => (taken.has(key) ? [] : (taken.add(key), [key]));
  routes.forEach((route, index) => {
    const chain = `svc_${index}`;
    const keys = route.addresses.flatMap((address) => first(`${address} . ${route.protocol} . ${route.port}`));
    const nodeKeys = route.nodePort === undefined ? [] : first(`${nodeIp} . ${route.protocol} . ${route.nodePort}`);
    if (route.endpoints.length === 0) {
      refused.push(...keys, ...nodeKeys);
      return;
    }
    chains.push(`  chain ${chain} {\n    ${dnatOf(route)}\n  }`);
    dispatch.push(
      ...keys.map((key) => `${key} : goto ${chain}`),
      ...nodeKeys.map((key) => `${key} : goto node_${chain}`),
    );
    for (const endpoint of route.endpoints) hairpins.add(`${endpoint.ip} . ${endpoint.ip}`);
  });
  return [
    `table ip ${NFT_TABLE}`,
    `delete table ip ${NFT_TABLE}`,
    `table ip ${NFT_TABLE} {`,
    ...chains,
    '  chain services {',
    ...element('ip daddr . meta l4proto . th dport vmap', dispatch),
    '  }',
    '  chain prerouting {',
    '    type nat hook prerouting priority dstnat; policy accept;',
    '    jump services',
    '  }',
    '  chain output {',
    '    type nat hook output priority -100; policy accept;',
    '    jump services',
    '  }',
    '  chain postrouting {',
    '    type nat hook postrouting priority srcnat; policy accept;',
    ...element('ip saddr . ip daddr', [...hairpins], ' ct status dnat masquerade'),
    `    ct mark & ${MASQUERADE_MARK} == ${MASQUERADE_MARK} masquerade`,
    '  }',
    '  chain refuse {',
    ...element('ip daddr . meta l4proto . th dport', refused, ' jump refuse_now'),
    '  }',
    '  chain refuse_forward { type filter hook forward priority filter; policy accept; jump refuse; }',
    '  chain refuse_output { type filter hook output priority filter; policy accept; jump refuse; }',
    '}',
    '',
  ]
    .join('\n')
    .replace(`table ip ${NFT_TABLE} {\n`, `table ip ${NFT_TABLE} {\n${REFUSE_NOW}${nodePortChains(routes)}`);
}

const REFUSE_NOW =
  '  chain refuse_now {\n    meta l4proto tcp reject with tcp reset\n    reject with icmp type port-unreachable\n  }\n';

// A node port may lead to another node, whose answer must come back through this one: mark for masquerade.
function nodePortChains(routes: readonly ServiceRoute[]): string {
  return routes
    .map((route, index) =>
      route.nodePort === undefined || route.endpoints.length === 0
        ? ''
        : `  chain node_svc_${index} {\n    ct mark set ct mark | ${MASQUERADE_MARK}\n    ${dnatOf(route)}\n  }\n`,
    )
    .join('');
}

function dnatOf(route: ServiceRoute): string {
  const [only, ...more] = route.endpoints;
  if (only !== undefined && more.length === 0) return `meta l4proto ${route.protocol} dnat to ${only.ip}:${only.port}`;
  const choice =
    route.affinitySeconds === undefined
      ? `numgen random mod ${route.endpoints.length}`
      : `jhash ip saddr mod ${route.endpoints.length}`;
  const map = route.endpoints.map(({ ip, port }, index) => `${index} : ${ip} . ${port}`).join(', ');
  return `meta l4proto ${route.protocol} dnat ip to ${choice} map { ${map} }`;
}

function element(expression: string, values: readonly string[], verdict = ''): string[] {
  return values.length === 0 ? [] : [`    ${expression} { ${values.join(', ')} }${verdict}`];
}
