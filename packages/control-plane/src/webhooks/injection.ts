// AdmissionReview of a pod -> what an ambient mesh says where charts and users expect an injector (spec control-plane 0.2, 7.2). Charts install
// MutatingWebhookConfigurations that lead here. No template applies: pods of this mesh have no sidecar, and our proxy takes no ingress role.
// So nothing is ever patched and no pod is kept away; who asked for an injection gets a warning with the reason. In: the parsed body of a POST.
// Out: the review to answer with, or undefined when the body is no review. Pure; called by server.ts.
import { type AdmissionAnswer, fieldsOf, requestOf, warningsOf } from './admission.ts';

/** What was answered: the review, and whether somebody had asked for an injection. */
export interface InjectionAnswer {
  readonly review: AdmissionAnswer;
  readonly isAsked: boolean;
}

/** Namespaces of Kubernetes itself; upstream leaves their pods alone as well. */
const SYSTEM_NAMESPACES = new Set(['kube-system', 'kube-public', 'kube-node-lease', 'local-path-storage']);
const INJECT = 'sidecar.istio.io/inject';
const TEMPLATES = 'inject.istio.io/templates';
/** Templates of upstream that make a sidecar of the pod. */
const SIDECAR_TEMPLATES = new Set(['sidecar', 'custom', 'grpc-simple', 'grpc-agent']);
/** What upstream's chart of gateways writes where the injector shall put the image. */
const PLACEHOLDER_IMAGE = 'auto';

/** Answers one review. */
export function injectionReview(body: unknown): InjectionAnswer | undefined {
  const request = requestOf(body);
  if (request === undefined) return undefined;
  const pod = fieldsOf(request.object);
  const isPod = fieldsOf(request.kind)['kind'] === 'Pod' && request.operation === 'CREATE';
  const namespace = typeof request.namespace === 'string' ? request.namespace : '';
  const warning = isPod ? warningFor(pod, namespace) : undefined;
  return {
    review: request.answer({ allowed: true, ...warningsOf(warning === undefined ? [] : [warning]) }),
    isAsked: warning !== undefined,
  };
}

/** Why the pod is not changed though its author expects it; undefined when nobody does. */
function warningFor(pod: Readonly<Record<string, unknown>>, namespace: string): string | undefined {
  const { labels: givenLabels, annotations: givenAnnotations } = fieldsOf(pod['metadata']);
  const labels = fieldsOf(givenLabels);
  const annotations = fieldsOf(givenAnnotations);
  const { hostNetwork, containers } = fieldsOf(pod['spec']);
  if (SYSTEM_NAMESPACES.has(namespace) || hostNetwork === true) return undefined;
  if ((labels[INJECT] ?? annotations[INJECT]) === 'false') return undefined;
  const given = annotations[TEMPLATES];
  const templates = typeof given === 'string' ? given.split(',').map((name) => name.trim()) : [];
  const isGateway =
    templates.includes('gateway') ||
    (Array.isArray(containers) && containers.some((one) => fieldsOf(one)['image'] === PLACEHOLDER_IMAGE));
  if (isGateway) {
    return (
      'no gateway proxy is injected. why: this mesh has no ingress proxy of its own, the image "auto" will not start. ' +
      'try: a Gateway of another controller, or keep istiod for ingress gateways'
    );
  }
  const foreign = templates.find((name) => name !== '' && !SIDECAR_TEMPLATES.has(name));
  if (foreign !== undefined) return `no injection template "${foreign.slice(0, 63)}". why: this mesh injects nothing`;
  // The node agent takes the pod in without a sidecar: what its author wanted is done.
  if (labels['istio.io/dataplane-mode'] === 'ambient') return undefined;
  return (
    'no sidecar is injected. why: this mesh is ambient, its node proxies do that work. ' +
    'try: label the namespace istio.io/dataplane-mode=ambient and remove the labels for injection'
  );
}
