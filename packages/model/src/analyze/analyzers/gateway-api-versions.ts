// k8sgateway.CRDVersionAnalyzer: Gateway API definitions that are too old to be read (IST0176).
import type { Analyzer } from '../analyzer.ts';
import { quoted } from '../go-text.ts';
import { messageOf } from '../message.ts';

const BUNDLE_VERSION = 'gateway.networking.k8s.io/bundle-version';
type Version = readonly [major: number, minor: number, patch: number];
const MINIMUM: Readonly<Record<string, Version>> = {
  'grpcroutes.gateway.networking.k8s.io': [1, 1, 0],
  'backendtlspolicies.gateway.networking.k8s.io': [1, 4, 0],
  'tlsroutes.gateway.networking.k8s.io': [1, 5, 0],
  'tcproutes.gateway.networking.k8s.io': [1, 6, 0],
};

/** See the file's comment. */
export const gatewayApiVersionsAnalyzer: Analyzer = {
  name: 'k8sgateway.CRDVersionAnalyzer',
  description: 'Checks Gateway API CRDs are at the minimum version required by this Istio version',
  inputs: ['CustomResourceDefinition'],
  analyze: ({ objects }, report) => {
    for (const definition of objects.all('CustomResourceDefinition')) {
      const { name } = definition;
      const minimum = Object.hasOwn(MINIMUM, name) ? MINIMUM[name] : undefined;
      const installed = parseVersion(definition.annotations[BUNDLE_VERSION] ?? '');
      // What follows a hyphen rounds up: a release candidate counts as the release.
      if (minimum === undefined || installed === undefined || !isOlder(installed.version, minimum)) continue;
      report(
        messageOf(
          'IST0176',
          definition,
          `Gateway API CRD ${quoted(name)} is at version ${quoted(installed.text)} but Istio requires at least ${quoted(minimum.join('.'))}; resources of this kind will not be processed. Upgrade the Gateway API CRDs to satisfy the minimum version.`,
        ),
      );
    }
  },
};

/** A semantic version, perhaps with `v` in front and with parts left out; undefined when the text is none. */
function parseVersion(text: string): { readonly text: string; readonly version: Version } | undefined {
  const plain = text.startsWith('v') ? text.slice(1) : text;
  const end = Array.from(plain).findIndex((c) => c === '-' || c === '+');
  const parts = (end < 0 ? plain : plain.slice(0, end)).split('.');
  if (parts.length > 3) return undefined;
  const numbers = parts.map((part) =>
    part !== '' && Array.from(part).every((c) => c >= '0' && c <= '9') ? Number(part) : -1,
  );
  if (numbers.includes(-1)) return undefined;
  const [major = 0, minor = 0, patch = 0] = numbers;
  const suffix = end < 0 ? '' : plain.slice(end);
  return { text: `${major}.${minor}.${patch}${suffix}`, version: [major, minor, patch] };
}

function isOlder(a: Version, b: Version): boolean {
  for (let i = 0; i < 3; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
