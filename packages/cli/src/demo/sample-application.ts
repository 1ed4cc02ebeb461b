// In: the ports to forward. Out: the objects of the sample application. Called by bring-up.ts.
import type { KubernetesObject } from '@ambit/resources';
import { parseDocuments } from '@ambit/resources/parse-documents';
import { readFileSync } from 'node:fs';
import { kinds } from '../cluster/kinds.ts';
import { shop } from './stage.ts';

/** Annotation with which the local cluster forwards a port of this machine to a Service. */
const hostPortAnnotation = 'ambit.io/host-port';

const manifest = (name: string): string =>
  readFileSync(new URL(`../../../bookinfo/manifests/${name}`, import.meta.url), 'utf8');

/** Bookinfo and its load generator, reachable from this machine on the given ports of 127.0.0.1. */
export function sampleApplication(ports: {
  readonly page: number;
  readonly load: number;
}): readonly KubernetesObject[] {
  const forwarded: Readonly<Record<string, number>> = { productpage: ports.page, load: ports.load };
  const objects = ['bookinfo.yaml', 'load.yaml'].flatMap((name) => parseDocuments(manifest(name)));
  return objects.map((object) => {
    const port = object.kind === kinds.service.kind ? forwarded[object.metadata?.name ?? ''] : undefined;
    const annotations =
      port === undefined
        ? object.metadata?.annotations
        : { ...object.metadata?.annotations, [hostPortAnnotation]: String(port) };
    return {
      ...object,
      metadata: { ...object.metadata, namespace: shop, ...(annotations === undefined ? {} : { annotations }) },
    };
  });
}
