/**
 * An asked name in, the names to try against service host names out. Pure; used by `resolver.ts`.
 *
 * Search domains, Kubernetes short forms and wildcards in the order of spec/node-proxy.md 11.3.
 */

/** One name to try. */
export interface NameCandidate {
  readonly name: string;
  /** Set when a search domain was cut off: the name the answer's CNAME points to. */
  readonly stripped: boolean;
}

/** Who asks, and where. */
export interface NameContext {
  readonly namespace: string;
  readonly clusterDomain: string;
  readonly searchDomains: readonly string[];
}

/** Search list of a pod in shared mode. */
export function podSearchDomains(namespace: string, clusterDomain: string): readonly string[] {
  return [`${namespace}.svc.${clusterDomain}`, `svc.${clusterDomain}`, clusterDomain];
}

/** Names to try, in order, without duplicates. `asked` is lower case without the final dot. */
export function candidates(asked: string, context: NameContext): readonly NameCandidate[] {
  const seen = new Set<string>();
  const result: NameCandidate[] = [];
  const add = (name: string, stripped: boolean): void => {
    if (seen.has(name)) return;
    seen.add(name);
    result.push({ name, stripped });
  };
  const addWithExpansions = (name: string, stripped: boolean): void => {
    add(name, stripped);
    for (const expansion of expansions(name, context)) add(expansion, stripped);
  };
  addWithExpansions(asked, false);
  for (const domain of context.searchDomains) {
    const suffix = `.${domain}`;
    if (asked.length > suffix.length && asked.endsWith(suffix)) addWithExpansions(asked.slice(0, -suffix.length), true);
  }
  return result;
}

/** A name itself, then its wildcards: the first label becomes `*`, labels are dropped down to two. */
export function withWildcards(name: string): readonly string[] {
  const labels = name.split('.');
  const result = [name];
  for (let from = 1; labels.length - from >= 1; from += 1) result.push(`*.${labels.slice(from).join('.')}`);
  return result;
}

function expansions(name: string, context: NameContext): readonly string[] {
  const labels = name.split('.');
  const services = `svc.${context.clusterDomain}`;
  const last = labels[labels.length - 1];
  switch (labels.length) {
    case 1:
      return [`${name}.${context.namespace}.${services}`];
    case 2:
      return [`${name}.${services}`, `${name}.${context.namespace}.${services}`];
    case 3:
      return last === 'svc' ? [`${name}.${context.clusterDomain}`, `${name}.${services}`] : [`${name}.${services}`];
    case 4:
      return last === 'svc' ? [`${name}.${context.clusterDomain}`] : [];
    default:
      return [];
  }
}
