// The dashboards that users know from istioctl: where they are and which page is theirs. Data only. Called by command.ts.

/** A program that somebody installed beside the mesh, or a part of the mesh itself. */
export interface DashboardTarget {
  /** Labels of its pods, in the namespace of the mesh. */
  readonly selector: string;
  readonly port: number;
  readonly path: string;
  readonly description: string;
}

/** By the word on the command line. */
export const dashboardTargets: Readonly<Record<string, DashboardTarget>> = {
  prometheus: {
    selector: 'app.kubernetes.io/name=prometheus',
    port: 9090,
    path: '/',
    description: 'Prometheus',
  },
  grafana: { selector: 'app.kubernetes.io/name=grafana', port: 3000, path: '/', description: 'Grafana' },
  kiali: { selector: 'app=kiali', port: 20_001, path: '/kiali', description: 'Kiali' },
  jaeger: { selector: 'app=jaeger', port: 16_686, path: '/', description: 'Jaeger' },
  zipkin: { selector: 'app=zipkin', port: 9411, path: '/', description: 'Zipkin' },
  'istiod-debug': {
    selector: 'app=istiod',
    port: 15_014,
    path: '/debug',
    description: 'Debug pages of the control plane',
  },
};
