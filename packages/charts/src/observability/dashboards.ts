// The dashboards of the mesh, under uids of our own, so that the stock ones can stay beside them. They read the waypoint's series too,
// which the stock dashboards of services and workloads ignore (spec user-tools 4.4, MET-3). Called by the generator and by tests.
import type { Dashboard, Panel } from './panel.ts';

/** Rate over an interval that fits the scrape. */
const rate = (selector: string): string => `rate(${selector}[$__rate_interval])`;
const sumBy = (labels: string, selector: string): string => `sum by (${labels}) (${rate(selector)})`;
const legend = (labels: string): string =>
  labels
    .split(', ')
    .map((label) => `{{${label}}}`)
    .join(' ');
const by = (labels: string, selector: string) => ({ expr: sumBy(labels, selector), legend: legend(labels) });

/** Percentiles of a histogram. */
const percentiles = (selector: string, quantiles: readonly number[] = [0.5, 0.9, 0.99]) =>
  quantiles.map((quantile) => ({
    expr: `histogram_quantile(${quantile}, sum by (le) (${rate(selector)}))`,
    legend: `p${quantile * 100}`,
  }));

const share = (part: string, whole: string): string => `sum(${rate(part)}) / sum(${rate(whole)})`;

/** Requests are counted once: by the waypoint, or by whoever sends where there is none. */
const requests = 'reporter=~"source|waypoint"';
/** Connections are counted once: by the side that takes them. */
const taken = 'reporter="destination"';

const meshRequests: readonly Panel[] = [
  {
    title: 'Requests',
    about: 'Requests per second through waypoints and gateways.',
    unit: 'reqps',
    shape: 'stat',
    queries: [{ expr: `sum(${rate(`istio_requests_total{${requests}}`)})`, legend: 'requests' }],
  },
  {
    title: 'Requests without a server error',
    about: 'Share of requests that were not answered with 5xx.',
    unit: 'percentunit',
    shape: 'stat',
    queries: [
      {
        expr: share(`istio_requests_total{${requests},response_code!~"5.."}`, `istio_requests_total{${requests}}`),
        legend: 'share',
      },
    ],
  },
  {
    title: 'Requests by status',
    about: 'What requests were answered with.',
    unit: 'reqps',
    queries: [by('response_code', `istio_requests_total{${requests}}`)],
  },
  {
    title: 'Requests by service',
    about: 'Which services are called.',
    unit: 'reqps',
    queries: [by('destination_service_namespace, destination_service_name', `istio_requests_total{${requests}}`)],
  },
  {
    title: 'Server errors by service',
    about:
      'Requests answered with 5xx, and why: the flags say it (UF no connection, NR no route, UH no healthy endpoint).',
    unit: 'reqps',
    queries: [
      by(
        'destination_service_name, response_code, response_flags',
        `istio_requests_total{${requests},response_code=~"5.."}`,
      ),
    ],
  },
  {
    title: 'Time of requests',
    about: 'From the first byte of the request to the last byte of the answer.',
    unit: 'ms',
    queries: percentiles(`istio_request_duration_milliseconds_bucket{${requests}}`),
  },
];

const meshConnections: readonly Panel[] = [
  {
    title: 'Connections with mutual TLS',
    about:
      'Share of the connections taken by node proxies that came through a tunnel. Below 100 %: somebody outside of the mesh calls in.',
    unit: 'percentunit',
    shape: 'stat',
    queries: [
      {
        expr: share(
          `istio_tcp_connections_opened_total{${taken},connection_security_policy="mutual_tls"}`,
          `istio_tcp_connections_opened_total{${taken}}`,
        ),
        legend: 'share',
      },
    ],
  },
  {
    title: 'Connections',
    about: 'Connections per second, by destination.',
    unit: 'cps',
    queries: [
      by('destination_workload_namespace, destination_workload', `istio_tcp_connections_opened_total{${taken}}`),
    ],
  },
  {
    title: 'Denied connections',
    about:
      'Refused by an authorization policy. The access log of the node proxy names the policy; ambit explain says why.',
    unit: 'cps',
    queries: [by('source_workload, destination_workload', 'istio_tcp_connections_failed_total{response_flags="DENY"}')],
  },
  {
    title: 'Failed connections by reason',
    about:
      'CONNECT nobody answers, TLS_FAILURE and IDENTITY_ERROR certificates, NETWORK_POLICY port 15008 is blocked, DENY a policy.',
    unit: 'cps',
    queries: [by('reporter, response_flags', 'istio_tcp_connections_failed_total')],
  },
  {
    title: 'Bytes to servers',
    about: 'From clients to servers. The metric calls it received, whoever reports it.',
    unit: 'Bps',
    queries: [by('destination_workload', `istio_tcp_received_bytes_total{${taken}}`)],
  },
  {
    title: 'Bytes to clients',
    about: 'From servers to clients. The metric calls it sent, whoever reports it.',
    unit: 'Bps',
    queries: [by('destination_workload', `istio_tcp_sent_bytes_total{${taken}}`)],
  },
];

const mesh: Dashboard = {
  uid: 'ambit-mesh',
  title: 'Ambit mesh',
  about: 'Is the mesh healthy, is traffic encrypted, what fails?',
  variables: [],
  rows: [
    { title: 'Requests (L7, where a waypoint serves)', panels: meshRequests },
    { title: 'Connections (L4, everywhere)', panels: meshConnections },
    {
      title: 'Parts of the mesh',
      panels: [
        {
          title: 'Versions',
          about: 'Which versions run. Node proxies and node agents may trail the control plane by one minor version.',
          unit: 'short',
          shape: 'table',
          queries: [{ expr: 'sum by (component, tag) (istio_build)', legend: '{{component}} {{tag}}' }],
        },
      ],
    },
  ],
};

const workload = 'destination_workload_namespace=~"$namespace",destination_workload=~"$workload"';
const asSource = 'source_workload_namespace=~"$namespace",source_workload=~"$workload"';
const answered = `${workload},reporter=~"destination|waypoint"`;

const workloads: Dashboard = {
  uid: 'ambit-workload',
  title: 'Ambit workload',
  about: 'Who calls a workload, what it answers, whom it calls.',
  variables: [
    {
      name: 'namespace',
      label: 'Namespace',
      metric: 'istio_tcp_connections_opened_total',
      of: 'destination_workload_namespace',
    },
    {
      name: 'workload',
      label: 'Workload',
      metric: 'istio_tcp_connections_opened_total{destination_workload_namespace=~"$namespace"}',
      of: 'destination_workload',
    },
  ],
  rows: [
    {
      title: 'Requests to it',
      panels: [
        {
          title: 'Requests by caller and status',
          about: 'Counted by the waypoint in front of it.',
          unit: 'reqps',
          queries: [by('source_workload, response_code', `istio_requests_total{${answered}}`)],
        },
        {
          title: 'Time of requests',
          about: 'As the waypoint sees it.',
          unit: 'ms',
          queries: percentiles(`istio_request_duration_milliseconds_bucket{${answered}}`),
        },
        {
          title: 'Size of requests and responses',
          about: 'Median, headers included.',
          unit: 'bytes',
          queries: [
            ...percentiles(`istio_request_bytes_bucket{${answered}}`, [0.5]).map((query) => ({
              ...query,
              legend: 'request',
            })),
            ...percentiles(`istio_response_bytes_bucket{${answered}}`, [0.5]).map((query) => ({
              ...query,
              legend: 'response',
            })),
          ],
        },
      ],
    },
    {
      title: 'Connections to it',
      panels: [
        {
          title: 'Connections by caller',
          about: 'Connections per second that its node proxy took, and whether they were encrypted.',
          unit: 'cps',
          queries: [
            by(
              'source_workload, connection_security_policy',
              `istio_tcp_connections_opened_total{${taken},${workload}}`,
            ),
          ],
        },
        {
          title: 'Connections that failed',
          about: 'By caller and reason.',
          unit: 'cps',
          queries: [by('source_workload, response_flags', `istio_tcp_connections_failed_total{${workload}}`)],
        },
        {
          title: 'Open connections',
          about: 'Opened minus closed.',
          unit: 'short',
          queries: [
            {
              expr: `sum by (destination_workload) (istio_tcp_connections_opened_total{${taken},${workload}}) - sum by (destination_workload) (istio_tcp_connections_closed_total{${taken},${workload}})`,
              legend: '{{destination_workload}}',
            },
          ],
        },
        {
          title: 'Bytes from callers',
          about: 'From clients to it.',
          unit: 'Bps',
          queries: [by('source_workload', `istio_tcp_received_bytes_total{${taken},${workload}}`)],
        },
        {
          title: 'Bytes to callers',
          about: 'From it to clients.',
          unit: 'Bps',
          queries: [by('source_workload', `istio_tcp_sent_bytes_total{${taken},${workload}}`)],
        },
      ],
    },
    {
      title: 'What it calls',
      panels: [
        {
          title: 'Connections by service',
          about: 'Connections per second that its node proxy opened.',
          unit: 'cps',
          queries: [by('destination_service', `istio_tcp_connections_opened_total{reporter="source",${asSource}}`)],
        },
        {
          title: 'Requests by service and status',
          about: 'Where the service has a waypoint.',
          unit: 'reqps',
          queries: [by('destination_service_name, response_code', `istio_requests_total{${requests},${asSource}}`)],
        },
      ],
    },
  ],
};

const ofProxies = 'app="ztunnel"';

const nodeProxies: Dashboard = {
  uid: 'ambit-node-proxy',
  title: 'Ambit node proxies',
  about: 'What the node proxies cost and carry, node by node.',
  variables: [],
  rows: [
    {
      title: 'Cost',
      panels: [
        {
          title: 'Memory',
          about: 'Resident memory of each node proxy.',
          unit: 'bytes',
          queries: [{ expr: `sum by (pod) (process_resident_memory_bytes{${ofProxies}})`, legend: '{{pod}}' }],
        },
        {
          title: 'Processor',
          about: 'Cores in use.',
          unit: 'short',
          queries: [by('pod', `process_cpu_seconds_total{${ofProxies}}`)],
        },
        {
          title: 'File descriptors',
          about: 'Share of the limit. Each connection needs two or three.',
          unit: 'percentunit',
          queries: [
            {
              expr: `sum by (pod) (process_open_fds{${ofProxies}}) / sum by (pod) (process_max_fds{${ofProxies}})`,
              legend: '{{pod}}',
            },
          ],
        },
      ],
    },
    {
      title: 'Load',
      panels: [
        {
          title: 'Open sockets',
          about: 'Accepted sockets that are open now, by direction.',
          unit: 'short',
          queries: [
            { expr: `sum by (pod, reporter) (istio_tcp_sockets_open{${ofProxies}})`, legend: '{{pod}} {{reporter}}' },
          ],
        },
        {
          title: 'Connections',
          about: 'Opened per second.',
          unit: 'cps',
          queries: [by('pod', `istio_tcp_connections_opened_total{${ofProxies}}`)],
        },
        {
          title: 'Bytes',
          about: 'Both directions.',
          unit: 'Bps',
          queries: [
            by('pod', `istio_tcp_received_bytes_total{${ofProxies}}`),
            by('pod', `istio_tcp_sent_bytes_total{${ofProxies}}`),
          ],
        },
        {
          title: 'DNS queries',
          about: 'Answered for captured pods.',
          unit: 'reqps',
          queries: [by('pod', `istio_dns_requests_total{${ofProxies}}`)],
        },
      ],
    },
    {
      title: 'State',
      panels: [
        {
          title: 'Pods served',
          about: 'Pods whose traffic the proxy carries, and those that wait.',
          unit: 'short',
          queries: [
            { expr: `sum by (pod) (workload_manager_active_proxy_count{${ofProxies}})`, legend: '{{pod}} active' },
            { expr: `sum by (pod) (workload_manager_pending_proxy_count{${ofProxies}})`, legend: '{{pod}} pending' },
          ],
        },
        {
          title: 'Configuration received',
          about: 'Messages of the control plane per second, by type.',
          unit: 'short',
          queries: [by('url', `istio_xds_message_total{${ofProxies}}`)],
        },
        {
          title: 'Missing policies',
          about: 'Policies that workloads list and that have not come. Above 0 for long: what they select is denied.',
          unit: 'short',
          queries: [{ expr: `sum by (pod) (ambit_policy_missing{${ofProxies}})`, legend: '{{pod}}' }],
        },
      ],
    },
  ],
};

const ofControlPlane = 'app="istiod"';

const controlPlane: Dashboard = {
  uid: 'ambit-control-plane',
  title: 'Ambit control plane',
  about: 'Configuration and certificates: who is connected, what is sent, what is refused.',
  variables: [],
  rows: [
    {
      title: 'Configuration',
      panels: [
        {
          title: 'Connected proxies',
          about: 'By the version that they name.',
          unit: 'short',
          queries: [{ expr: `sum by (version) (pilot_xds{${ofControlPlane}})`, legend: '{{version}}' }],
        },
        {
          title: 'Responses sent',
          about: 'By type: wds workloads and services, wads policies.',
          unit: 'short',
          queries: [by('type', `pilot_xds_pushes{${ofControlPlane}}`)],
        },
        {
          title: 'Reasons of pushes',
          about: 'What changed.',
          unit: 'short',
          queries: [by('type', `pilot_push_triggers{${ofControlPlane}}`)],
        },
        {
          title: 'Size of responses',
          about: 'Bytes of one response.',
          unit: 'bytes',
          queries: percentiles(`pilot_xds_config_size_bytes_bucket{${ofControlPlane}}`, [0.5, 0.99]),
        },
        {
          title: 'Services',
          about: 'Known to the control plane.',
          unit: 'short',
          queries: [{ expr: `sum(pilot_services{${ofControlPlane}})`, legend: 'services' }],
        },
        {
          title: 'Objects looked at by the webhook',
          about: 'Accepted per second.',
          unit: 'short',
          queries: [{ expr: `sum(${rate(`galley_validation_passed{${ofControlPlane}}`)})`, legend: 'passed' }],
        },
      ],
    },
    {
      title: 'Certificates',
      panels: [
        {
          title: 'Certificates',
          about: 'Asked for and issued, per second.',
          unit: 'short',
          queries: [
            { expr: `sum(${rate(`citadel_server_csr_count{${ofControlPlane}}`)})`, legend: 'asked' },
            { expr: `sum(${rate(`citadel_server_success_cert_issuance_count{${ofControlPlane}}`)})`, legend: 'issued' },
          ],
        },
        {
          title: 'Refused certificates',
          about: 'Requests without a valid identity.',
          unit: 'short',
          queries: [
            {
              expr: `sum(${rate(`citadel_server_authentication_failure_count{${ofControlPlane}}`)})`,
              legend: 'not authenticated',
            },
          ],
        },
        {
          title: 'Root certificate ends in',
          about: 'Rotate it long before: every workload has to learn the new root first.',
          unit: 'dtdurations',
          shape: 'stat',
          queries: [{ expr: `min(citadel_server_root_cert_expiry_seconds{${ofControlPlane}})`, legend: 'left' }],
        },
      ],
    },
    {
      title: 'Process',
      panels: [
        {
          title: 'Memory',
          about: 'Resident memory of each replica.',
          unit: 'bytes',
          queries: [{ expr: `sum by (pod) (process_resident_memory_bytes{${ofControlPlane}})`, legend: '{{pod}}' }],
        },
        {
          title: 'Processor',
          about: 'Cores in use.',
          unit: 'short',
          queries: [by('pod', `process_cpu_seconds_total{${ofControlPlane}}`)],
        },
        {
          title: 'Running for',
          about: 'Age of each replica.',
          unit: 's',
          queries: [{ expr: `max by (pod) (istiod_uptime_seconds{${ofControlPlane}})`, legend: '{{pod}}' }],
        },
      ],
    },
  ],
};

/** All dashboards. */
export const dashboards: readonly Dashboard[] = [mesh, workloads, nodeProxies, controlPlane];
