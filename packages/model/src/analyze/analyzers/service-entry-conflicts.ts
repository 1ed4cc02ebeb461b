// serviceentry.ConflictingServiceEntryProtocolAnalyzer: one host and port with several protocols (IST0177).
import { mapsOf, numberOf, textOf, textsOf } from '../../validate/json.ts';
import type { Analyzer } from '../analyzer.ts';
import { quoted } from '../go-text.ts';
import { EVERYBODY, scopesOf } from '../hosts.ts';
import type { Inventory } from '../inventory.ts';
import { messageOf } from '../message.ts';
import type { Subject } from '../subject.ts';

interface Claim {
  readonly protocol: string;
  readonly entry: Subject;
}
interface ScopedPort {
  readonly scope: string;
  readonly host: string;
  readonly port: number;
  readonly claims: Claim[];
}

/** See the file's comment. */
export const serviceEntryConflictsAnalyzer: Analyzer = {
  name: 'serviceentry.ConflictingServiceEntryProtocolAnalyzer',
  description: 'Checks if multiple ServiceEntries define the same host and port with different protocols',
  inputs: ['ServiceEntry'],
  analyze: ({ objects }, report) => {
    const ports = portsOf(objects);
    const told = new Set<Subject>();
    for (const { scope, host, port, claims } of ports.values()) {
      const general = scope === EVERYBODY ? [] : (ports.get(`${EVERYBODY} ${host} ${port}`)?.claims ?? []);
      const all = [...claims, ...general];
      const protocols = new Set(all.map(({ protocol }) => protocol));
      if (protocols.size < 2) continue;
      const names = [...new Set(all.map(({ entry }) => entry.fullName))].toSorted().join(', ');
      for (const { entry } of all) {
        if (told.has(entry)) continue;
        told.add(entry);
        report(
          messageOf(
            'IST0177',
            entry,
            `Multiple ServiceEntries (${names}) define the same host ${quoted(host)} and port ${port} with conflicting protocols (${[...protocols].toSorted().join(', ')}).`,
            '.metadata.name',
          ),
        );
      }
    }
  },
};

function portsOf(objects: Inventory): ReadonlyMap<string, ScopedPort> {
  const ports = new Map<string, ScopedPort>();
  for (const entry of objects.all('ServiceEntry')) {
    for (const scope of scopesOf(textsOf(entry.spec['exportTo']), entry.namespace)) {
      for (const host of textsOf(entry.spec['hosts'])) {
        for (const given of mapsOf(entry.spec['ports'])) {
          const port = numberOf(given['number']);
          const key = `${scope} ${host} ${port}`;
          const known = ports.get(key) ?? { scope, host, port, claims: [] };
          ports.set(key, known);
          known.claims.push({ protocol: textOf(given['protocol']).toUpperCase(), entry });
        }
      }
    }
  }
  return ports;
}
