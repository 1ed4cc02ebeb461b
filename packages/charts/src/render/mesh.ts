// In: values. Out: every object of an installation, in the order in which they are applied. Pure. Called by the CLI and tests.
import { customResourceDefinitions, type KubernetesObject } from '@ambit/resources';
import { completeValues, type PartialMeshValues } from '../values.ts';
import { renderCni } from './cni.ts';
import { renderIstiod } from './istiod.ts';
import { renderZtunnel } from './ztunnel.ts';

/**
 * Objects of an ambient installation: definitions first, then the namespace, control plane, node agent and node proxy.
 * Removing them in reverse order uninstalls the mesh; the namespace and the definitions are the caller's to keep or delete.
 */
export function renderMesh(values: PartialMeshValues = {}): readonly KubernetesObject[] {
  const complete = completeValues(values);
  return [
    ...customResourceDefinitions(),
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: complete.namespace } },
    ...renderIstiod(complete),
    ...renderCni(complete),
    ...renderZtunnel(complete),
  ];
}
