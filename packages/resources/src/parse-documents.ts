// YAML text with several documents -> Kubernetes objects. Called by the command line tool, charts and tests.
import { parseAllDocuments } from 'yaml';
import type { KubernetesObject } from './object-meta.ts';

/** Longest YAML text that is read: 16 MiB. */
export const MAX_YAML_BYTES = 16 * 1024 * 1024;

/**
 * Reads all documents of a YAML text; empty documents are skipped and `kind: List` is unfolded.
 * Throws `SyntaxError` with the first problem when the text is not YAML, too long, or a document is not an object.
 */
export function parseDocuments(text: string): KubernetesObject[] {
  if (text.length > MAX_YAML_BYTES) throw new SyntaxError(`yaml text of ${text.length} characters is too long`);
  const objects: KubernetesObject[] = [];
  for (const document of parseAllDocuments(text, { maxAliasCount: 100 } as never)) {
    if ('errors' in document && document.errors[0] !== undefined) throw new SyntaxError(document.errors[0].message);
    const value: unknown = (document as { toJS(): unknown }).toJS();
    if (value === null || value === undefined) continue;
    if (typeof value !== 'object' || Array.isArray(value)) throw new SyntaxError('a yaml document is not an object');
    const object = value as KubernetesObject;
    if (object.kind === 'List' && Array.isArray(object['items']))
      objects.push(...(object['items'] as KubernetesObject[]));
    else objects.push(object);
  }
  return objects;
}
