// In: the agent's settings. Out: a running repair controller, or nothing where it is switched off. Called by app.ts, last.
import type { Logger } from '@ambit/runtime/log';
import type { PodSource } from '../cluster/pod-source.ts';
import type { NodeAgentConfig } from '../config.ts';
import { RepairController, repairModeOf, type RepairParts } from './repair-pods.ts';

/** Starts it; disposing stops it. */
export function repairPods(
  config: NodeAgentConfig,
  source: PodSource,
  log: Logger,
  onRepair: RepairParts['onRepair'],
): Disposable {
  const mode = repairModeOf(config);
  const controller = new RepairController({
    mode,
    filter: {
      sidecarAnnotation: config.REPAIR_SIDECAR_ANNOTATION,
      initContainer: config.REPAIR_INIT_CONTAINER_NAME,
      exitCode: config.REPAIR_INIT_CONTAINER_EXIT_CODE,
      message: config.REPAIR_INIT_CONTAINER_TERMINATION_MESSAGE,
    },
    label: [config.REPAIR_BROKEN_POD_LABEL_KEY, config.REPAIR_BROKEN_POD_LABEL_VALUE],
    source,
    log,
    onRepair,
  });
  if (mode !== 'off')
    source.watchPods(
      { labels: config.REPAIR_LABEL_SELECTORS, fields: config.REPAIR_FIELD_SELECTORS },
      (pod) => void controller.onPod(pod),
      (uid) => controller.forget(uid),
    );
  return { [Symbol.dispose]: () => controller.close() };
}
