// Is the mesh healthy, is traffic encrypted, what fails? In: nothing. Out: a dashboard. Called by dashboards.ts.
import type { Dashboard, Panel } from './panel.ts';
import { by, percentiles, rate, requests, share, taken } from './queries.ts';

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

/** The dashboard. */
export const mesh: Dashboard = {
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
