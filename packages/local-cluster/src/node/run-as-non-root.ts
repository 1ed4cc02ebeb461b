// Whether a container may start as the user that it would get. In: the pod, the container, its sandbox. Out: nothing, or an error as the
// kubelet words it. Called by pod-worker.ts. Pure.
import type { Container, Pod } from '../controllers/objects.ts';
import { configError } from './container-env.ts';
import type { PodSandbox } from './sandbox.ts';

/**
 * Holds the promise `runAsNonRoot`. Processes get a user of their own whatever `runAsUser` says; where they get none (loopback mode) only a
 * pod that contradicts itself is refused. Throws what `CreateContainerConfigError` shows.
 */
export function checkUser(pod: Pod, container: Container, sandbox: Pick<PodSandbox, 'user' | 'hasOwnUser'>): void {
  const { runAsNonRoot, runAsUser } = { ...pod.spec.securityContext, ...container.securityContext };
  if (runAsNonRoot !== true) return;
  const isRoot = sandbox.hasOwnUser && sandbox.user === 0;
  if (runAsUser === undefined ? !isRoot : runAsUser !== 0) return;
  const why =
    runAsUser === 0
      ? "container's runAsUser breaks non-root policy"
      : 'container has runAsNonRoot and image will run as root';
  const podName = `${pod.metadata.name}_${pod.metadata.namespace ?? ''}(${pod.metadata.uid ?? ''})`;
  throw configError(`${why} (pod: ${JSON.stringify(podName)}, container: ${container.name})`);
}
