// The part of Prometheus' configuration that finds the pods of the mesh. In: nothing. Out: a job for `scrape_configs`. The labels that it
// makes are those that dashboards and Kiali read: `namespace`, `pod`, and every label of the pod (spec user-tools 4.5). Pure. Called by
// the generator.

const annotation = (name: string): string => `__meta_kubernetes_pod_annotation_prometheus_io_${name}`;

/** A job that scrapes every pod annotated `prometheus.io/scrape: "true"`: pods of the mesh are, applications may be. */
export const scrapeConfig = {
  scrape_configs: [
    {
      job_name: 'kubernetes-pods',
      kubernetes_sd_configs: [{ role: 'pod' }],
      relabel_configs: [
        { source_labels: [annotation('scrape')], action: 'keep', regex: 'true' },
        { source_labels: [annotation('scheme')], action: 'replace', regex: '(https?)', target_label: '__scheme__' },
        { source_labels: [annotation('path')], action: 'replace', regex: '(.+)', target_label: '__metrics_path__' },
        {
          // Replaces the port: pods of the mesh serve metrics on another port than traffic.
          source_labels: ['__meta_kubernetes_pod_ip', annotation('port')],
          action: 'replace',
          regex: String.raw`(\d+\.\d+\.\d+\.\d+);(\d+)`,
          replacement: '$1:$2',
          target_label: '__address__',
        },
        {
          source_labels: ['__meta_kubernetes_pod_ip', annotation('port')],
          action: 'replace',
          regex: '(.*:.*);(\\d+)',
          replacement: '[$1]:$2',
          target_label: '__address__',
        },
        { action: 'labelmap', regex: '__meta_kubernetes_pod_label_(.+)' },
        { source_labels: ['__meta_kubernetes_namespace'], action: 'replace', target_label: 'namespace' },
        { source_labels: ['__meta_kubernetes_pod_name'], action: 'replace', target_label: 'pod' },
        // A pod has one target per declared port; they are the same address now, and Prometheus keeps one of them.
        { source_labels: ['__meta_kubernetes_pod_phase'], action: 'drop', regex: 'Pending|Succeeded|Failed|Completed' },
      ],
    },
  ],
};
