// Configuration and certificates. In: nothing. Out: a dashboard. Called by dashboards.ts.
import type { Dashboard } from './panel.ts';
import { by, percentiles, rate } from './queries.ts';

const ofControlPlane = 'app="istiod"';

/** The dashboard. */
export const controlPlane: Dashboard = {
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
          title: 'Time until proxies know',
          about: 'From a change to the response that tells a proxy of it.',
          unit: 's',
          queries: percentiles(`pilot_proxy_convergence_time_bucket{${ofControlPlane}}`, [0.5, 0.99]),
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
