// In: names of workloads and services as people write them in tables. Out: questions for `decide`. Pure. Called by simulate and test.
import { findServiceByHostname, type Snapshot, type Workload } from '@ambit/state';
import type { ConnectionQuestion } from '../explain/decide.ts';
import type { World } from '../explain/world.ts';

/** One connection or request of a table. */
export interface Flow {
  /** `namespace/name` of a workload (a pod or the Deployment behind it), or `namespace/sa/name`. */
  readonly from: string;
  /** `namespace/name` of a service. */
  readonly to: string;
  readonly port: number;
  readonly method?: string;
  readonly path?: string;
}

function workloadNamed(snapshot: Snapshot, text: string): Workload | undefined {
  const [namespace = '', second = '', third] = text.split('/');
  for (const workload of snapshot.workloads.values()) {
    if (workload.namespace !== namespace) continue;
    if (
      third === undefined
        ? workload.name === second || workload.workloadName === second || workload.canonicalName === second
        : workload.serviceAccount === third
    )
      return workload;
  }
  return undefined;
}

/** The question of a flow, or what is missing. */
export function questionOf(world: World, flow: Flow): ConnectionQuestion | string {
  const source = workloadNamed(world.snapshot, flow.from);
  if (source === undefined) return `no workload is called ${flow.from}`;
  const [namespace = '', name = ''] = flow.to.split('/');
  const service = findServiceByHostname(world.snapshot, `${name}.${namespace}.svc.${world.options.domain}`, namespace);
  const ip = service?.vips[0]?.ip;
  if (ip === undefined) return `no service is called ${flow.to}`;
  return {
    source,
    isCaptured: source.protocol === 'HBONE',
    destination: { ip, port: flow.port },
    ...(flow.method === undefined && flow.path === undefined
      ? {}
      : {
          request: { method: flow.method ?? 'GET', path: flow.path ?? '/', host: `${name}:${flow.port}`, headers: [] },
        }),
  };
}

/** Every kind of workload to every service port: one workload stands for all with its service account. */
export function allFlows(world: World, request: { readonly method?: string; readonly path?: string }): readonly Flow[] {
  const sources = new Map<string, string>();
  for (const workload of world.snapshot.workloads.values()) {
    if (workload.hostname === '') sources.set(`${workload.namespace}/sa/${workload.serviceAccount}`, workload.uid);
  }
  return [...sources.keys()].toSorted().flatMap((from) =>
    [...world.snapshot.services.values()]
      .filter((service) => service.vips.length > 0)
      .flatMap((service) =>
        Object.keys(service.ports).map((port) => ({
          from,
          to: `${service.namespace}/${service.name}`,
          port: Number(port),
          ...request,
        })),
      ),
  );
}
