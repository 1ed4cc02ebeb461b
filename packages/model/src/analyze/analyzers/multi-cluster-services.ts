// services.MultiClusterServiceAnalyzer: one Service that differs between clusters (IST0170).
import { type Json, mapsOf, textOf } from '../../validate/json.ts';
import type { Analyzer } from '../analyzer.ts';
import { listText, quoted } from '../go-text.ts';
import { messageOf } from '../message.ts';
import type { Subject } from '../subject.ts';

/** See the file's comment. */
export const multiClusterServicesAnalyzer: Analyzer = {
  name: 'services.MultiClusterServiceAnalyzer',
  description: 'Check the validity of services in the multi-cluster environment',
  inputs: ['Service'],
  analyze: ({ objects }, report) => {
    const groups = Map.groupBy(objects.all('Service'), ({ fullName }) => fullName);
    for (const [first, ...others] of groups.values()) {
      if (first === undefined || others.length === 0) continue;
      const clusters = new Set<string>();
      const reasons = new Set<string>();
      for (const other of others) {
        const found = differencesOf(first, other);
        for (const reason of found) reasons.add(reason);
        if (found.length > 0) clusters.add(other.cluster);
      }
      if (reasons.size === 0) continue;
      const isMixed = reasons.has(MIXED);
      const named = isMixed ? [first, ...others].map(({ cluster }) => cluster) : [first.cluster, ...clusters];
      report(
        messageOf(
          'IST0170',
          first,
          `The service ${first.name} in namespace ${quoted(first.namespace)} is inconsistent across clusters ${listText(named.toSorted().map(quoted))}, which can lead to undefined behaviors. The inconsistent behaviors are: ${[...reasons].toSorted().join('; ')}.`,
        ),
      );
    }
  },
};

const MIXED = 'service has mixed mode like headless and clusterIP';

function differencesOf({ spec: a }: Subject, { spec: b }: Subject): string[] {
  const found: string[] = [];
  if ((a['clusterIP'] === 'None') !== (b['clusterIP'] === 'None')) found.push(MIXED);
  if (textOf(a['type']) !== textOf(b['type'])) found.push('service type is inconsistent');
  if (portsText(a) !== portsText(b)) found.push('service ports are inconsistent');
  return found;
}

/** Ports in the order of their names, as one comparable text. */
function portsText(spec: Json): string {
  const ports = mapsOf(spec['ports']).toSorted((a, b) => (textOf(a['name']) < textOf(b['name']) ? -1 : 1));
  const fields = (port: Json): Json =>
    Object.fromEntries(Object.entries(port).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  return JSON.stringify(ports.map(fields));
}
