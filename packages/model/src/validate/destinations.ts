// Destinations of routes with their weights, and names of gateways (spec control-plane 10.2). Called by the rules of VirtualServices and
// Sidecars. Pure.
import { quoted } from '../analyze/go-text.ts';
import { problemOfSubsetName } from './destination-rule.ts';
import { type Findings, type Json, numberOf, optionalMap, textOf } from './json.ts';
import { isDnsLabel, problemOfFqdn, problemOfPort, problemOfWildHost } from './names.ts';

/** The weight of one destination. */
export function checkWeight(entry: Json, { error }: Findings): void {
  const weight = numberOf(entry['weight']);
  if (weight < 0) error(`weight ${weight} < 0`);
}

/** The weights of all destinations together. */
export function checkTotal(entries: readonly Json[], { error }: Findings): void {
  const total = entries.reduce((sum, entry) => sum + numberOf(entry['weight']), 0);
  if (entries.length > 1 && total === 0) error('total destination weight = 0');
}

/** Checks a destination that may be absent. */
export function checkDestination(value: unknown, { error }: Findings): void {
  const destination = optionalMap(value);
  if (destination === undefined) return;
  const [host, subset] = [textOf(destination['host']), textOf(destination['subset'])];
  const port = optionalMap(destination['port']);
  const problems = [
    host === '*' ? `invalid destination host ${host}` : problemOfWildHost(host),
    subset === '' ? undefined : problemOfSubsetName(subset),
    port === undefined ? undefined : problemOfPort(numberOf(port['number'])),
  ];
  for (const problem of problems) if (problem !== undefined) error(problem);
}

/** Names of gateways; after one without a slash no other is looked at, as upstream. */
export function checkGatewayNames(names: readonly string[], { error, warn }: Findings): void {
  for (const name of names) {
    const slash = name.indexOf('/');
    if (slash < 0) {
      const [first = '', second = ''] = name.split('.');
      if (name.includes('.')) {
        const better = quoted(`${second}/${first}`);
        warn(`using legacy gatewayName format ${quoted(name)}; prefer the <namespace>/<name> format: ${better}`);
      }
      const problem = problemOfFqdn(name);
      if (problem !== undefined) error(problem);
      return;
    }
    const [namespace, own] = [name.slice(0, slash), name.slice(slash + 1)];
    if (namespace === '' || own === '') error('config namespace and gateway name cannot be empty');
    if (!isDnsLabel(namespace)) error(`invalid value for namespace: ${quoted(namespace)}`);
    if (!isDnsLabel(own)) error(`invalid value for gateway name: ${quoted(own)}`);
  }
}
