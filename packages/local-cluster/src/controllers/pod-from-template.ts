// A pod made from a workload's template, and the hash that names a template. Pure.
import { createHash } from 'node:crypto';
import type { AnyObject, Pod, PodSpec, PodTemplate } from './objects.ts';
import { ownerReferenceTo } from './owner-reference.ts';

/** Builds the pod that `owner` creates from its template; the API fills in the name from generateName. */
export function podFromTemplate(
  owner: AnyObject,
  template: PodTemplate,
  extra: { labels?: Record<string, string>; spec?: Partial<PodSpec>; annotations?: Record<string, string> } = {},
): Pod {
  const annotations = { ...template.metadata?.annotations, ...extra.annotations };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      generateName: `${owner.metadata.name}-`,
      namespace: owner.metadata.namespace ?? 'default',
      labels: { ...template.metadata?.labels, ...extra.labels },
      ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
      ownerReferences: [ownerReferenceTo(owner)],
    } as unknown as Pod['metadata'],
    spec: { ...template.spec, ...extra.spec },
  };
}

const ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';

/** A stable 10-character hash of a template, in the alphabet of generated names; equal templates hash equally. */
export function templateHash(template: PodTemplate, salt = ''): string {
  const digest = createHash('sha256').update(canonicalJson(template)).update(salt).digest();
  let text = '';
  for (let i = 0; i < 10; i += 1) text += ALPHABET[(digest[i] ?? 0) % ALPHABET.length];
  return text;
}

/** JSON with sorted keys, so that equal values give equal text. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const entries = Object.entries(value).filter(([, v]) => v !== undefined);
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([k, v]) => `${JSON.stringify(k)}:${canonicalJson(v)}`).join(',')}}`;
}
