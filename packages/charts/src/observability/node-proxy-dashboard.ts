// What the node proxies cost and carry. In: nothing. Out: a dashboard. Called by dashboards.ts.
import type { Dashboard } from './panel.ts';
import { by } from './queries.ts';

const ofProxies = 'app="ztunnel"';

/** The dashboard. */
export const nodeProxies: Dashboard = {
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
