/** One Envoy cluster -> our Backend. Used by translate.ts. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { BackendSchema } from '@ambit/proto/waypoint';
import { asList, asMap, durationOf, type Yaml } from './yaml.ts';

/** Recorded port -> port of this run. */
export type ClusterPorts = ReadonlyMap<number, number>;

/** Translates a cluster of fixed addresses. */
export const clusterBackend = (
  cluster: Yaml,
  ports: ClusterPorts,
): Exclude<MessageInitShape<typeof BackendSchema>, { $typeName: string }> => {
  const groups = asList(asMap(cluster['load_assignment'])['endpoints']);
  const addresses = groups
    .flatMap((group) => asList(group['lb_endpoints']))
    .map((entry) => asMap(asMap(asMap(entry['endpoint'])['address'])['socket_address']));
  const protocols = asMap(cluster['typed_extension_protocol_options']);
  const http = asMap(protocols['envoy.extensions.upstreams.http.v3.HttpProtocolOptions']);
  const isHttp2 = asMap(http['explicit_http_config'])['http2_protocol_options'] !== undefined;
  return {
    hostname: String(cluster['name']),
    kind: 1,
    protocol: isHttp2 ? 2 : 1,
    endpoints: addresses.map((address) => {
      const port = Number(address['port_value']);
      return { address: String(address['address']), port: ports.get(port) ?? port };
    }),
    pool: { connect: durationOf(cluster['connect_timeout']) },
    ...(cluster['lb_policy'] === 'RING_HASH' ? { lb: { algo: 4 } } : {}),
    ...(cluster['transport_socket'] === undefined ? {} : { tls: { mode: 1, insecure: true } }),
  };
};
