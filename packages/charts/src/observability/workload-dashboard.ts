// Who calls a workload, what it answers, whom it calls. In: nothing. Out: a dashboard. Called by dashboards.ts.
import type { Dashboard } from './panel.ts';
import { by, percentiles, requests, taken } from './queries.ts';

const workload = 'destination_workload_namespace=~"$namespace",destination_workload=~"$workload"';
const asSource = 'source_workload_namespace=~"$namespace",source_workload=~"$workload"';
const answered = `${workload},reporter=~"destination|waypoint"`;

/** The dashboard. */
export const workloads: Dashboard = {
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
