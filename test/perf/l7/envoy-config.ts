// Envoy with the same duties: 100 routes, ten RBAC rules, an access log. Used by suite.ts where AMBIT_PEER_ENVOY is set.

const host = '127.0.0.1';
const type = (name: string): { '@type': string } => ({ '@type': `type.googleapis.com/${name}` });
const address = (port: number) => ({ socket_address: { address: host, port_value: port } });

/** A static configuration: listens on `port`, sends to `application`. */
export function envoyConfig(port: number, application: number): unknown {
  const prefixes = [...Array.from({ length: 99 }, (_one, index) => `/service-${index}/v1`), '/'];
  const denied = Array.from({ length: 9 }, (_one, index) => [
    `rule-${index}`,
    {
      permissions: [{ any: true }],
      principals: [{ authenticated: { principal_name: { exact: `spiffe://cluster.local/ns/n${index}/sa/a` } } }],
    },
  ]);
  const allowed = {
    permissions: [{ header: { name: ':method', string_match: { exact: 'GET' } } }],
    principals: [{ any: true }],
  };
  const manager = {
    ...type('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'),
    stat_prefix: 'bench',
    access_log: [
      {
        name: 'envoy.access_loggers.file',
        typed_config: { ...type('envoy.extensions.access_loggers.file.v3.FileAccessLog'), path: '/dev/null' },
      },
    ],
    route_config: {
      virtual_hosts: [
        {
          name: 'all',
          domains: ['*'],
          routes: prefixes.map((prefix) => ({ match: { prefix }, route: { cluster: 'app' } })),
        },
      ],
    },
    http_filters: [
      {
        name: 'envoy.filters.http.rbac',
        typed_config: {
          ...type('envoy.extensions.filters.http.rbac.v3.RBAC'),
          rules: { action: 'ALLOW', policies: { ...Object.fromEntries(denied), allowed } },
        },
      },
      { name: 'envoy.filters.http.router', typed_config: type('envoy.extensions.filters.http.router.v3.Router') },
    ],
  };
  return {
    static_resources: {
      listeners: [
        {
          address: address(port),
          filter_chains: [
            { filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }] },
          ],
        },
      ],
      clusters: [
        {
          name: 'app',
          type: 'STATIC',
          connect_timeout: '5s',
          load_assignment: {
            cluster_name: 'app',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: address(application) } }] }],
          },
        },
      ],
    },
  };
}
