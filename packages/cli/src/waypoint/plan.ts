// `ambit waypoint plan` and `explain`. In: a namespace or an object. Out: what goes through which waypoint, what goes around it, and
// what will break.
import type { KubernetesObject } from '@ambit/resources';
import type { ClusterApi } from '../cluster/cluster-api.ts';
import { kinds, labels } from '../cluster/kinds.ts';
import { nameOf, namespaceOf } from '../cluster/object-fields.ts';
import { parseReference } from '../cluster/reference.ts';
import { CliError } from '../errors.ts';
import { requireNamespace } from '../mesh/add.ts';
import { exitStatus } from '../output/exit-status.ts';
import { documentOf, type OutputFlags, printListing } from '../output/print-listing.ts';
import { type Binding, bindingOf } from './binding.ts';
import { isWaypoint, waypointPrincipal } from './gateway.ts';
import { policiesThatBreak } from './l4-policies.ts';
import { trustDomainOf } from './trust-domain.ts';

/** Whether a service is the one that a waypoint is reached by. */
const isServiceOf = (gateway: KubernetesObject, service: KubernetesObject): boolean =>
  namespaceOf(gateway) === namespaceOf(service) && nameOf(gateway) === nameOf(service);

const ingressLabel = 'istio.io/ingress-use-waypoint';

const outcome = (binding: Binding): string =>
  binding.kind === 'bound'
    ? binding.waypoint
    : binding.kind === 'none'
      ? 'none'
      : `${binding.waypoint} BYPASSED: ${binding.reason}`;

/** Prints what would go through which waypoint. Exit status 3 when something goes around the waypoint that it names. */
export async function waypointPlan(
  api: ClusterApi,
  namespace: string,
  flags: OutputFlags & { readonly istioNamespace: string },
): Promise<void> {
  const owner = await requireNamespace(api, namespace);
  const [services, gateways, policies, namespaces] = await Promise.all([
    api.list(kinds.service, { namespace }),
    api.list(kinds.gateway),
    api.list(kinds.authorizationPolicy, { namespace }),
    api.list(kinds.namespace),
  ]);
  // Nothing goes through a waypoint on its way to a waypoint.
  const destinations = services.filter(
    (service) => !gateways.some((one) => isWaypoint(one) && isServiceOf(one, service)),
  );
  const rows = destinations.map((service) => {
    const binding = bindingOf({ ...service, kind: 'Service' }, owner, gateways);
    const ingress = service.metadata?.labels?.[ingressLabel] ?? owner.metadata?.labels?.[ingressLabel];
    return {
      service: nameOf(service),
      binding,
      waypoint: outcome(binding),
      ingress: ingress === 'true' ? 'through it' : 'around it',
      decidedBy: binding.decidedBy,
    };
  });
  const trustDomain = await trustDomainOf(api, flags.istioNamespace);
  const used = gateways.filter(
    (gateway) =>
      isWaypoint(gateway) &&
      rows.some(
        ({ binding }) => binding.kind === 'bound' && binding.waypoint === `${namespaceOf(gateway)}/${nameOf(gateway)}`,
      ),
  );
  const breaking = used.flatMap((gateway) =>
    policiesThatBreak(policies, waypointPrincipal(gateway, trustDomain)).map(({ name }) => ({
      policy: name,
      principal: waypointPrincipal(gateway, trustDomain),
    })),
  );
  const outside = namespaces.filter((one) => one.metadata?.labels?.[labels.dataplaneMode] !== 'ambient').map(nameOf);
  await printListing(
    {
      kind: 'WaypointPlan',
      rows,
      name: (row) => `service/${row.service}`,
      document: documentOf('WaypointPlan', {
        namespace,
        services: rows,
        breakingPolicies: breaking,
        namespacesOutside: outside,
      }),
      empty: `namespace ${namespace} has no service`,
      columns: [
        { header: 'SERVICE', of: (row) => row.service },
        { header: 'WAYPOINT', of: (row) => row.waypoint },
        { header: 'FROM INGRESS', of: (row) => (row.binding.kind === 'bound' ? row.ingress : '') },
        { header: 'DECIDED BY', of: (row) => row.decidedBy },
      ],
    },
    flags,
  );
  if (rows.some(({ binding }) => binding.kind === 'broken')) process.exitCode = exitStatus.no;
  if (flags.output !== 'table') return;
  if (rows.some(({ binding }) => binding.kind === 'bound')) {
    process.stdout.write(
      `around it: callers that use pod addresses, and callers outside the mesh (namespaces ${outside.join(', ') || 'none'})\ntry: ambit waypoint require -n ${namespace}\n`,
    );
  }
  for (const { policy, principal } of breaking)
    process.stdout.write(`!! AuthorizationPolicy ${namespace}/${policy} will refuse ${principal}\n`);
}

/** Prints which waypoint an object uses and which label decided. Exit status 3 when the waypoint that it names is bypassed. */
export async function waypointExplain(api: ClusterApi, text: string, namespace: string): Promise<void> {
  const reference = parseReference(text);
  if (reference.kind !== 'service' && reference.kind !== 'pod' && reference.kind !== 'any')
    throw new CliError('ERR_CLI_INVALID', `"${text}" has no waypoint of its own`, { hint: 'svc/NAME or pod/NAME' });
  const home = reference.namespace ?? namespace;
  const tried =
    reference.kind === 'pod'
      ? [kinds.pod]
      : reference.kind === 'service'
        ? [kinds.service]
        : [kinds.service, kinds.pod];
  const found = (
    await Promise.all(
      tried.map(async (kind) => ({ kind, object: await api.get({ ...kind, namespace: home, name: reference.name }) })),
    )
  ).find(({ object }) => object !== undefined);
  if (found?.object === undefined)
    throw new CliError('ERR_CLI_NOT_FOUND', `"${reference.name}" is neither a service nor a pod of namespace ${home}`, {
      hint: `kubectl -n ${home} get services,pods`,
    });
  const [owner, gateways] = await Promise.all([requireNamespace(api, home), api.list(kinds.gateway)]);
  const binding = bindingOf({ ...found.object, kind: found.kind.kind }, owner, gateways);
  process.stdout.write(
    `${found.kind.kind} ${home}/${reference.name}: ${outcome(binding)}\nwhy: ${binding.decidedBy}\n`,
  );
  if (binding.kind === 'broken') process.exitCode = exitStatus.no;
}
