// Descriptors of the builtin Kubernetes kinds (proto/kubernetes). In: nothing. Out: one file descriptor per API group
// and version, the option extensions that mark merge keys, and the envelope of a protobuf body.
// Called by: the local cluster (bodies, schemas, patches). Any thread.
import type { DescFile } from '@bufbuild/protobuf';
import { file_kubernetes_admissionregistration } from '../gen/kubernetes/admissionregistration_pb.js';
import { file_kubernetes_apps } from '../gen/kubernetes/apps_pb.js';
import { file_kubernetes_authentication } from '../gen/kubernetes/authentication_pb.js';
import { file_kubernetes_authorization } from '../gen/kubernetes/authorization_pb.js';
import { file_kubernetes_autoscaling_v1 } from '../gen/kubernetes/autoscaling_v1_pb.js';
import { file_kubernetes_autoscaling_v2 } from '../gen/kubernetes/autoscaling_v2_pb.js';
import { file_kubernetes_batch } from '../gen/kubernetes/batch_pb.js';
import { file_kubernetes_certificates } from '../gen/kubernetes/certificates_pb.js';
import { file_kubernetes_certificates_v1beta1 } from '../gen/kubernetes/certificates_v1beta1_pb.js';
import { file_kubernetes_coordination } from '../gen/kubernetes/coordination_pb.js';
import { file_kubernetes_core } from '../gen/kubernetes/core_pb.js';
import { file_kubernetes_discovery } from '../gen/kubernetes/discovery_pb.js';
import { file_kubernetes_events } from '../gen/kubernetes/events_pb.js';
import { file_kubernetes_meta } from '../gen/kubernetes/meta_pb.js';
import { file_kubernetes_networking } from '../gen/kubernetes/networking_pb.js';
import { file_kubernetes_policy } from '../gen/kubernetes/policy_pb.js';
import { file_kubernetes_rbac } from '../gen/kubernetes/rbac_pb.js';
import { file_kubernetes_scheduling } from '../gen/kubernetes/scheduling_pb.js';
import { file_kubernetes_storage } from '../gen/kubernetes/storage_pb.js';

export * from '../gen/kubernetes/options_pb.js';
export { UnknownSchema } from '../gen/kubernetes/meta_pb.js';

/** Group/version (`v1`, `apps/v1`) to the file that describes its kinds. */
export const kubernetesFiles: ReadonlyMap<string, DescFile> = new Map<string, DescFile>([
  ['v1', file_kubernetes_core],
  ['meta.k8s.io/v1', file_kubernetes_meta],
  ['admissionregistration.k8s.io/v1', file_kubernetes_admissionregistration],
  ['apps/v1', file_kubernetes_apps],
  ['authentication.k8s.io/v1', file_kubernetes_authentication],
  ['authorization.k8s.io/v1', file_kubernetes_authorization],
  ['autoscaling/v1', file_kubernetes_autoscaling_v1],
  ['autoscaling/v2', file_kubernetes_autoscaling_v2],
  ['batch/v1', file_kubernetes_batch],
  ['certificates.k8s.io/v1', file_kubernetes_certificates],
  ['certificates.k8s.io/v1beta1', file_kubernetes_certificates_v1beta1],
  ['coordination.k8s.io/v1', file_kubernetes_coordination],
  ['discovery.k8s.io/v1', file_kubernetes_discovery],
  ['events.k8s.io/v1', file_kubernetes_events],
  ['networking.k8s.io/v1', file_kubernetes_networking],
  ['policy/v1', file_kubernetes_policy],
  ['rbac.authorization.k8s.io/v1', file_kubernetes_rbac],
  ['scheduling.k8s.io/v1', file_kubernetes_scheduling],
  ['storage.k8s.io/v1', file_kubernetes_storage],
]);
