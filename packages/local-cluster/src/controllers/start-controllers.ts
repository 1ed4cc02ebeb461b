// Starts every controller of the cluster.
// Comes in: the object API and the CA. Goes out: one handle that stops all. Called by the cluster. Main thread.
import type { ObjectApi } from '../api/object-api.ts';
import type { Logger } from '@ambit/runtime/log';
import { startAutoscalerController } from './autoscaler.ts';
import type { Controller, ControllerContext } from './context.ts';
import { startCronJobController } from './cron-job.ts';
import { startDaemonSetController } from './daemon-set.ts';
import { startDeploymentController } from './deployment.ts';
import { startDisruptionController } from './disruption.ts';
import { startEndpointSliceController } from './endpoint-slice.ts';
import { startEndpointsController } from './endpoints.ts';
import { createEventRecorder } from './events.ts';
import { startGarbageCollector } from './garbage-collector.ts';
import { startJobController } from './job.ts';
import { startNamespaceController } from './namespace.ts';
import { startNodeLifecycleController } from './node-lifecycle.ts';
import { startReplicaSetController } from './replica-set.ts';
import { startScheduler } from './scheduler.ts';
import { startServiceAddressController } from './service-address.ts';
import { startStatefulSetController } from './stateful-set.ts';
import type { Pod } from './objects.ts';
import { startTokenSecretController } from './token-secret.ts';
import { startVolumeClaimController } from './volume-claims.ts';

/**
 * Starts all controllers; `close()` stops them in reverse order. `claimsDir` holds the folders of volume claims; without it
 * claims stay pending.
 */
export function startControllers(api: ObjectApi, log: Logger, caPem: string, claimsDir?: string): Controller {
  const context = (component: string): ControllerContext => {
    const scoped = log.child(component);
    return { api, log: scoped, events: createEventRecorder(api, scoped, component) };
  };
  const bind = async (pod: Pod, nodeName: string): Promise<void> => {
    await api.patch('pods', pod.metadata.name, pod.metadata.namespace, { spec: { nodeName } });
  };
  const started: Controller[] = [
    startNamespaceController(context('namespace-controller'), caPem),
    startTokenSecretController(context('token-controller'), caPem),
    startServiceAddressController(context('service-controller')),
    startReplicaSetController(context('replicaset-controller')),
    startDeploymentController(context('deployment-controller')),
    startDaemonSetController(context('daemonset-controller')),
    startStatefulSetController(context('statefulset-controller')),
    startJobController(context('job-controller')),
    startCronJobController(context('cronjob-controller')),
    startEndpointSliceController(context('endpointslice-controller')),
    startEndpointsController(context('endpoint-controller')),
    startAutoscalerController(context('horizontal-pod-autoscaler')),
    startDisruptionController(context('controllermanager')),
    startNodeLifecycleController(context('node-controller')),
    startGarbageCollector(context('garbage-collector')),
    startScheduler(context('default-scheduler'), bind),
    ...(claimsDir === undefined ? [] : [startVolumeClaimController(context('persistentvolume-controller'), claimsDir)]),
  ];
  return {
    close: () => {
      for (const controller of started.reverse()) controller.close();
    },
  };
}
