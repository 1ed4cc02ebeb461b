// virtualservice.DestinationHostAnalyzer: destinations that nothing defines (IST0101), that leave the port open (IST0112), and
// subsets that an ingress route never uses (IST0140).
import { mapOf, mapsOf, numberOf, optionalMap, textOf, textsOf } from '../../validate/json.ts';
import type { Analyzer } from '../analyzer.ts';
import { listText, quoted } from '../go-text.ts';
import { destinationsOf, HostIndex, type HostDefinition, type NamedDestination } from '../hosts.ts';
import type { Inventory } from '../inventory.ts';
import { type Message, messageOf } from '../message.ts';
import type { Subject } from '../subject.ts';

type Report = (message: Message) => void;

/** See the file's comment. */
export const virtualServiceHostsAnalyzer: Analyzer = {
  name: 'virtualservice.DestinationHostAnalyzer',
  description: 'Checks the destination hosts associated with each virtual service',
  inputs: ['ServiceEntry', 'VirtualService', 'Service'],
  analyze: ({ objects }, report) => {
    const hosts = new HostIndex(objects);
    const withSubsets = ownSubsets(objects);
    for (const service of objects.all('VirtualService')) {
      for (const named of destinationsOf(service.spec)) {
        const host = textOf(named.destination['host']);
        const definition = hosts.find(service.namespace, textsOf(service.spec['exportTo']), host);
        if (definition !== undefined) checkPort(service, named, definition, report);
        else {
          const what = named.isMirror ? 'mirror host' : 'host';
          report(messageOf('IST0101', service, `Referenced ${what} not found: ${quoted(host)}`, named.path));
        }
      }
      checkSubsets(service, withSubsets, report);
    }
  },
};

function checkPort(
  service: Subject,
  { destination, path }: NamedDestination,
  { ports }: HostDefinition,
  report: Report,
): void {
  const host = textOf(destination['host']);
  const port = optionalMap(destination['port']);
  if (port === undefined) {
    if (ports.length < 2) return;
    const text = `This VirtualService routes to a service ${quoted(host)} that exposes multiple ports ${listText(ports)}. Specifying a port in the destination is required to disambiguate.`;
    report(messageOf('IST0112', service, text, path));
    return;
  }
  const number = numberOf(port['number']);
  if (!ports.includes(number)) {
    report(messageOf('IST0101', service, `Referenced host:port not found: ${quoted(`${host}:${number}`)}`, path));
  }
}

/** Hosts of destinations with a subset that are hosts of their own VirtualService, one entry per destination. */
function ownSubsets(objects: Inventory): { readonly service: Subject; readonly host: string }[] {
  return [...objects.all('VirtualService')].flatMap((service) => {
    const hosts = textsOf(service.spec['hosts']);
    return mapsOf(service.spec['http'])
      .flatMap((rule) => mapsOf(rule['route']))
      .map((route) => mapOf(route['destination']))
      .filter((destination) => textOf(destination['subset']) !== '')
      .flatMap((destination) => hosts.filter((host) => host === destination['host']))
      .map((host) => ({ service, host }));
  });
}

function checkSubsets(
  service: Subject,
  withSubsets: readonly { readonly service: Subject; readonly host: string }[],
  report: Report,
): void {
  if (textsOf(service.spec['gateways']).length === 0) return;
  for (const [i, rule] of mapsOf(service.spec['http']).entries()) {
    for (const [j, route] of mapsOf(rule['route']).entries()) {
      const destination = mapOf(route['destination']);
      if (textOf(destination['subset']) !== '') continue;
      for (const other of withSubsets) {
        if (other.host !== destination['host']) continue;
        const text = `Subset in virtual service ${other.service.fullName} has no effect on ingress gateway ${service.fullName} requests`;
        // Upstream looks for the line below the rule's name instead of below `http`.
        const path = `.spec.${textOf(rule['name'])}[${i}].route[${j}].destination.host`;
        report(messageOf('IST0140', service, text, path));
      }
    }
  }
}
