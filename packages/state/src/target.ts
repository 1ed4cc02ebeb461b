// Which address of a chosen workload is dialled, and which identities it may have. Called by resolve.ts and gateway.ts; pure.

import type { Target } from './decision.ts';
import { familyOf } from './ip.ts';
import type { Upstream } from './load-balancing.ts';
import type { Service } from './service.ts';
import { identityOf } from './workload.ts';

/** A target, or why there is none: `gateway-only` = reachable through its network gateway, nothing to dial directly. */
export type TargetChoice = Target | { readonly kind: 'gateway-only' } | { readonly kind: 'none' };

/**
 * Chooses the address (spec/node-proxy.md 5.4, last paragraph): the wanted one, else one of the same family within the
 * service's families, else any of them, else the host name.
 */
export function chooseTarget(upstream: Upstream, wantedIp: string): TargetChoice {
  const { workload, port, service } = upstream;
  if (workload.ips.includes(wantedIp)) return { kind: 'ip', ip: wantedIp, port };
  const family = familyOf(wantedIp);
  const allowed = workload.ips.filter((ip) => isAllowedFamily(service, familyOf(ip)));
  const ip = allowed.find((candidate) => familyOf(candidate) === family) ?? allowed[0];
  if (ip !== undefined) return { kind: 'ip', ip, port };
  const { hostname, uid } = workload;
  if (hostname !== '') return { kind: 'hostname', hostname, port, family, workload: uid };
  return workload.networkGateway === undefined ? { kind: 'none' } : { kind: 'gateway-only' };
}

/** Service names first, then the workload's own identity; any one match is enough (spec/node-proxy.md 5.6). */
export function expectedIdentities(upstream: Upstream): readonly string[] {
  return [...(upstream.service?.subjectAltNames ?? []), identityOf(upstream.workload)];
}

function isAllowedFamily(service: Service | undefined, family: 4 | 6): boolean {
  switch (service?.ipFamilies) {
    case 'IPV4':
      return family === 4;
    case 'IPV6':
      return family === 6;
    default:
      return true;
  }
}
