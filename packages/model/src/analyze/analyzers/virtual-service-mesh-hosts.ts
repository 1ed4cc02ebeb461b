// virtualservice.ConflictingMeshGatewayHostsAnalyzer: VirtualServices of the mesh that define the same host (IST0109).
import { textsOf } from '../../validate/json.ts';
import type { Analyzer } from '../analyzer.ts';
import { EVERYBODY, fullHost, hostsOverlap, scopesOf } from '../hosts.ts';
import type { Inventory } from '../inventory.ts';
import { messageOf } from '../message.ts';
import type { Subject } from '../subject.ts';

interface ScopedHost {
  readonly scope: string;
  readonly host: string;
  readonly services: Subject[];
}

/** See the file's comment. */
export const virtualServiceMeshHostsAnalyzer: Analyzer = {
  name: 'virtualservice.ConflictingMeshGatewayHostsAnalyzer',
  description: 'Checks if multiple virtual services associated with the mesh gateway have conflicting hosts',
  inputs: ['VirtualService'],
  analyze: ({ objects }, report) => {
    const hosts = meshHosts(objects);
    const told = new Set<Subject>();
    for (const { scope, host, services } of hosts) {
      const general =
        scope === EVERYBODY ? [] : hosts.filter((other) => other.scope === EVERYBODY && hostsOverlap(host, other.host));
      const rivals = [...services, ...general.flatMap((other) => other.services)];
      if (rivals.length < 2) continue;
      const names = rivals.map(({ fullName }) => fullName).toSorted();
      for (const service of rivals) {
        if (told.has(service)) continue;
        told.add(service);
        report(
          messageOf(
            'IST0109',
            service,
            `The VirtualServices ${names.join(',')} associated with mesh gateway define the same host ${scope}/${host} which can lead to undefined behavior. This can be fixed by merging the conflicting VirtualServices into a single resource.`,
            '.metadata.name',
          ),
        );
      }
    }
  },
};

function meshHosts(objects: Inventory): readonly ScopedHost[] {
  const hosts = new Map<string, ScopedHost>();
  for (const service of objects.all('VirtualService')) {
    const gateways = textsOf(service.spec['gateways']);
    if (gateways.length > 0 && !gateways.includes('mesh')) continue;
    for (const scope of scopesOf(textsOf(service.spec['exportTo']), service.namespace)) {
      for (const given of textsOf(service.spec['hosts'])) {
        const host = fullHost(service.namespace, given);
        const known = hosts.get(`${scope}/${host}`);
        if (known === undefined) hosts.set(`${scope}/${host}`, { scope, host, services: [service] });
        else known.services.push(service);
      }
    }
  }
  return [...hosts.values()];
}
