// In: probed addresses. Out: one transaction that makes table, sets and rules. Called by host.ts. Source: spec node-agent 4.3; gap G3: an
// address gets its owner's comment anew with every write.
import { type HostBackend, type HostRuleSettings, ownersIn, probeSets } from './host-backend.ts';
import { printTables, runTransaction } from './nftables.ts';

const tableName = 'istio-ambient-nat';

/** The whole transaction. Pure. */
export function buildHostTransaction(
  settings: Omit<HostRuleSettings, 'netns'>,
  owners: ReadonlyMap<string, string>,
): string {
  const families = settings.ipv6 ? (['v4', 'v6'] as const) : (['v4'] as const);
  return [
    `add table inet ${tableName}`,
    `delete table inet ${tableName}`,
    `add table inet ${tableName}`,
    `add chain inet ${tableName} postrouting { type nat hook postrouting priority 100; policy accept; }`,
    ...families.flatMap((family) => {
      const set = probeSets[family];
      const [protocol, to] = family === 'v4' ? ['ip', settings.probeIp] : ['ip6', settings.probeIpv6];
      const elements = ownersIn(family, owners, settings.ipv6).map(([ip, uid]) => `${ip} comment "${uid}"`);
      return [
        `add set inet ${tableName} ${set} { type ${family === 'v4' ? 'ipv4_addr' : 'ipv6_addr'}; }`,
        ...(elements.length === 0 ? [] : [`add element inet ${tableName} ${set} { ${elements.join(', ')} }`]),
        `add rule inet ${tableName} postrouting meta l4proto tcp skuid ${settings.probeUid} ${protocol} daddr @${set} counter snat ${protocol} to ${to}`,
      ];
    }),
    '',
  ].join('\n');
}

/** Host rules by nftables. */
export function hostNftables(settings: HostRuleSettings): HostBackend {
  return {
    name: 'nftables',
    write: async (owners) => runTransaction(settings.netns, buildHostTransaction(settings, owners)),
    clear: async () => runTransaction(settings.netns, `add table inet ${tableName}\ndelete table inet ${tableName}\n`),
    print: async () => printTables(settings.netns, [tableName]),
  };
}
