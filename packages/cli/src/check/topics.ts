// What each check looks at and what to do when it fails; `ambit help check/<name>` prints it. Data only.

/** Text by the name of the check's category. */
export const checkTopics: Readonly<Record<string, string>> = {
  'kubernetes-api': 'The API server answers with the credentials in use.\ntry: kubectl cluster-info',
  'kubernetes-version': 'The cluster is new enough (1.32).\ntry: upgrade the cluster first',
  rbac: 'The credentials in use may do what an installation does.\ntry: kubectl auth can-i --list',
  'gateway-api-crds':
    'Gateway and HTTPRoute are defined, at a version the control plane watches (annotation gateway.networking.k8s.io/bundle-version).\ntry: ambit install, or apply the Gateway API bundle',
  'cni-paths':
    'Where the nodes keep CNI plugins and their settings, by platform.\ntry: helm value global.platform, or cni.cniBinDir and cni.cniConfDir',
  'control-plane': 'Deployment istiod is rolled out.\ntry: kubectl -n istio-system describe deployment istiod',
  'node-agent': 'DaemonSet istio-cni-node is rolled out: it captures pods.\ntry: ambit node list',
  'node-proxy': 'DaemonSet ztunnel is rolled out: it carries the traffic of captured pods.\ntry: ambit node list',
  'agent-restarts': 'A node proxy or node agent restarted within the last hour.\ntry: ambit node logs NODE --previous',
  'xds-lag':
    'Every node proxy and waypoint is connected to the control plane and has accepted what it was sent.\ntry: ambit proxy-status',
  'ca-and-trust':
    'The root certificate is published in every namespace of the mesh and has not expired.\ntry: ambit agent certificates',
  redirection: 'Every pod that ought to be captured is.\ntry: ambit mesh status NAMESPACE',
  'network-policy':
    'No NetworkPolicy keeps mesh peers from TCP port 15008 of captured pods: the most frequent cause of timeouts after labelling.\ntry: ambit mesh add NAMESPACE --plan, which prints the rule to add',
  waypoints: 'Every waypoint is programmed.\ntry: ambit waypoint status -A',
  'dangling-labels':
    'No label istio.io/use-waypoint names a waypoint that does not exist: traffic would go around it, and its L7 policies would not apply.\ntry: ambit waypoint apply, or remove the label',
  policies: 'No authorization policy was refused, in whole or in part.\ntry: ambit analyze -A',
  'version-skew':
    'Node agent and node proxy are not newer than the control plane, and at most one minor version older.\ntry: ambit upgrade in the order control plane, node agent, node proxy',
  'unprotected-connections':
    'Connections that were open before their pod was captured stay plaintext until they end.\ntry: ambit mesh status NAMESPACE',
  leftovers: 'Nothing of an earlier installation is left.\ntry: ambit uninstall --purge',
  probe:
    'With --probe: pods of every node reach pods of every node over HBONE, with the identities they ought to have. They live in a namespace ambit-probe-... that is removed again.\ntry: ambit node logs NODE of both nodes',
};
