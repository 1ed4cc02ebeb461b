// The life of one pod on its node: network, volumes, init containers, containers, status, orderly end.
// Comes in: the pod as the API has it, again on every change. Goes out: status, Events, finally the deletion with grace 0.
// Owned by the node runtime. Main thread.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { background } from '@ambit/runtime/background';
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import type { ObjectApi } from '../api/object-api.ts';
import { isNotFound } from '../api/status.ts';
import { nowSeconds } from '../controllers/context.ts';
import type { EventRecorder } from '../controllers/events.ts';
import type { ConfigMap, Container, ContainerStatus, Pod, Secret, Service } from '../controllers/objects.ts';
import { claimFolder, type VolumeClaim } from '../controllers/volume-claims.ts';
import { buildContainerEnv, expandVariables, parseQuantity, serviceVariables } from './container-env.ts';
import { createContainerRunner } from './container-runner.ts';
import type { ContainerRunner } from './container-runner.ts';
import { etcFilesOf } from './etc-files.ts';
import { argvOf, findImage } from './images.ts';
import type { ImageEntry, ResolvedImage } from './images.ts';
import { namesUsedBy } from './pod-references.ts';
import { buildPodStatus } from './pod-status.ts';
import { checkUser } from './run-as-non-root.ts';
import { createStatusWriter } from './status-writer.ts';
import type { PodSandbox, SandboxFactory } from './sandbox.ts';
import { createPodVolumes } from './volumes.ts';
import type { PodVolumes } from './volumes.ts';
import { createWakeUp } from './wake-up.ts';

/** What all pods of a node share. */
export interface PodWorkerContext {
  readonly api: ObjectApi;
  readonly log: Logger;
  readonly events: EventRecorder;
  readonly nodeName: string;
  readonly hostIp: string;
  /** The image map as it is now. */
  readonly images: () => readonly ImageEntry[];
  readonly factory: SandboxFactory;
  /** Folder of this node's pods. */
  readonly podsDir: string;
  /** Folders of volume claims. */
  readonly claimsDir: string;
}

/** A pod under control. */
export interface PodWorker {
  /** Gives the newest state; a deletion timestamp starts the end. */
  update(pod: Pod): void;
  /** A ConfigMap, Secret or token of the pod changed. */
  refresh(): void;
  uses(kind: 'configmaps' | 'secrets', name: string): boolean;
  /** Ends everything without touching the API (the cluster stops). */
  shutDown(graceMs: number): Promise<void>;
  runner(container: string): ContainerRunner | undefined;
  sandbox(): PodSandbox | undefined;
  /** Resolves when the pod is gone from the machine. */
  readonly gone: Promise<void>;
}

const RETRY_MS = 1000;
/** The least that a sidecar gets after the containers used up the grace. */
const SIDECAR_GRACE_MS = 2000;

/** Starts working on a pod. */
export function startPodWorker(context: PodWorkerContext, first: Pod): PodWorker {
  let pod = first;
  const { metadata } = first;
  const dir = join(context.podsDir, metadata.uid ?? metadata.name);
  const gone = Promise.withResolvers<void>();
  const wakeUp = createWakeUp();
  const startTime = nowSeconds();
  const runners: ContainerRunner[] = [];
  let sandbox: PodSandbox | undefined;
  let volumes: PodVolumes | undefined;
  let problem: { reason: string; message: string } | undefined;
  let isEnding = false;
  let isOver = false;
  let refreshTimer: NodeJS.Timeout | undefined;
  let ending: Promise<void> | undefined;

  const event = (type: 'Normal' | 'Warning', reason: string, message: string): void => {
    context.events.record(pod, type, reason, message, context.nodeName);
  };
  const imageOf = (container: Container): ResolvedImage | undefined =>
    findImage(context.images(), container.image ?? '');
  const allImages = (): ResolvedImage[] => {
    const { initContainers = [], containers, ephemeralContainers = [] } = pod.spec;
    const all = [...initContainers, ...containers, ...ephemeralContainers];
    return all.map(imageOf).filter((image) => image !== undefined);
  };

  const writer = createStatusWriter(context, () => ({ pod, status: currentStatus() }));
  const currentStatus = (): ReturnType<typeof buildPodStatus> =>
    buildPodStatus(
      pod,
      {
        podIp: sandbox?.ip,
        hostIp: context.hostIp,
        startTime: pod.status?.startTime ?? startTime,
        init: statuses(pod.spec.initContainers ?? [], runners, 'PodInitializing'),
        main: statuses(
          pod.spec.containers,
          runners,
          pod.spec.initContainers === undefined ? 'ContainerCreating' : 'PodInitializing',
        ),
        ephemeral: statuses(pod.spec.ephemeralContainers ?? [], runners, 'ContainerCreating'),
        isOver,
        isTerminating: isEnding,
        problem,
      },
      nowSeconds(),
    );

  const setUp = async (): Promise<boolean> => {
    while (!isEnding) {
      try {
        sandbox ??= await context.factory.create({
          pod,
          dir,
          files: etcFilesOf(pod),
          isRoot: allImages().some((each) => each.grants?.root === true),
        });
        volumes ??= makeVolumes(sandbox);
        await volumes.refresh();
        problem = undefined;
        return true;
      } catch (error) {
        const reason = sandbox === undefined ? 'FailedCreatePodSandBox' : 'FailedMount';
        const message = messageOf(error);
        if (problem?.message !== message) event('Warning', reason, message);
        problem = { reason, message };
        writer.changed();
        await wakeUp.wait(RETRY_MS);
      }
    }
    return false;
  };

  const makeVolumes = (made: PodSandbox): PodVolumes => {
    const namespace = metadata.namespace ?? 'default';
    return createPodVolumes(
      () => pod,
      join(dir, 'volumes'),
      made.user,
      { podIp: made.ip, hostIp: context.hostIp },
      {
        ...sourcesOf(context.api, namespace),
        hostPath: (path) => context.factory.hostPath(path, allImages()),
        claim: (name) => {
          const claim = context.api.get<VolumeClaim>('persistentvolumeclaims', name, namespace);
          if (claim === undefined) return { missing: `persistentvolumeclaim "${name}" not found` };
          if (claim.status?.phase !== 'Bound') return { missing: `persistentvolumeclaim "${name}" is not bound yet` };
          return { path: claimFolder(context.claimsDir, claim.metadata.uid ?? '') };
        },
        token: (audience, ttlSeconds) =>
          context.api.createToken({
            namespace,
            serviceAccount: pod.spec.serviceAccountName ?? 'default',
            ...(audience === undefined ? {} : { audiences: [audience] }),
            ttlSeconds,
            pod: { name: metadata.name, uid: metadata.uid ?? '' },
          }),
      },
    );
  };

  const planRefresh = (): void => {
    const next = volumes?.nextRefreshMs();
    clearTimeout(refreshTimer);
    if (next === undefined || isEnding) return;
    refreshTimer = setTimeout(refresh, Math.min(Math.max(next - Date.now(), 1000), 2 ** 31 - 1));
    refreshTimer.unref();
  };

  const refresh = (): void => {
    wakeUp.wake();
    for (const runner of runners) runner.wake();
    if (volumes === undefined || isEnding || isOver) return;
    background(context.log, 'refresh volumes', volumes.refresh().then(planRefresh));
  };

  const makeRunner = (container: Container, kind: ContainerRunner['kind'], made: PodSandbox): ContainerRunner => {
    const policy = pod.spec.restartPolicy ?? 'Always';
    const runner = createContainerRunner({
      container,
      kind,
      restartPolicy: kind === 'sidecar' ? 'Always' : kind === 'init' && policy !== 'Never' ? 'OnFailure' : policy,
      dir: join(dir, 'containers', container.name),
      podLabel: `${metadata.name}_${metadata.namespace ?? 'default'}(${metadata.uid ?? ''})`,
      sandbox: made,
      log: context.log,
      restarts: restartsOf(first, container.name),
      image: () => imageOf(container),
      prepare: (image) => prepare(container, image, made),
      onChange: () => writer.changed(),
      event,
    });
    runners.push(runner);
    return runner;
  };

  const prepare = async (
    container: Container,
    image: ResolvedImage,
    made: PodSandbox,
  ): Promise<Awaited<ReturnType<Parameters<typeof createContainerRunner>[0]['prepare']>>> => {
    checkUser(pod, container, made);
    const namespace = metadata.namespace ?? 'default';
    const base = context.factory.baseEnv(image);
    const links = serviceVariables(
      context.api.list<Service>('services').items,
      namespace,
      pod.spec.enableServiceLinks !== false,
    );
    const standard = {
      ...base,
      HOSTNAME: etcFilesOf(pod).hostname,
      HOME: made.user === 0 ? '/root' : '/tmp',
      ...links,
      ...image.env,
    };
    const facts = { podIp: made.ip, hostIp: context.hostIp };
    const env = buildContainerEnv(pod, container, facts, sourcesOf(context.api, namespace), standard);
    const argv = argvOf(image, container, base).map((word) => expandVariables(word, env));
    if (argv.length === 0) throw new Error(`image ${container.image ?? ''} has no command and the pod gives none`);
    return {
      argv,
      env,
      workingDir: container.workingDir ?? image.workingDir ?? '/',
      mounts: (await volumes?.mountsOf(container)) ?? [],
      capabilities: capabilitiesOf(container),
      memoryBytes: memoryLimitOf(container),
    };
  };

  const live = async (): Promise<void> => {
    if (pod.metadata.deletionTimestamp !== undefined) isEnding = true;
    writer.changed();
    if (!(await setUp()) || sandbox === undefined) return;
    writer.changed();
    planRefresh();
    const inits = pod.spec.initContainers ?? [];
    for (const container of inits) {
      const runner = makeRunner(container, container.restartPolicy === 'Always' ? 'sidecar' : 'init', sandbox);
      if (runner.kind === 'sidecar') {
        background(context.log, 'run sidecar', runner.run());
        await runner.started();
      } else await runner.run();
      if (isEnding) return;
      if (runner.kind === 'init' && runner.status().state.terminated?.exitCode !== 0) return finish();
    }
    const made = sandbox;
    const mains = pod.spec.containers.map((container) => makeRunner(container, 'main', made));
    startEphemeral();
    await Promise.all(mains.map((runner) => runner.run()));
    if (!isEnding) await finish();
  };

  // Added to a running pod by `kubectl debug`; each runs once.
  const startEphemeral = (): void => {
    if (sandbox === undefined || isEnding || isOver || !runners.some((each) => each.kind === 'main')) return;
    for (const container of pod.spec.ephemeralContainers ?? []) {
      if (runners.some((each) => each.name === container.name)) continue;
      background(context.log, 'run debug container', makeRunner(container, 'ephemeral', sandbox).run());
    }
  };

  // Every container ended for good: sidecars stop, the network goes, the object stays with its phase.
  const finish = async (): Promise<void> => {
    await Promise.all(runners.filter((each) => each.kind !== 'main').map((each) => each.stop(5000)));
    isOver = true;
    writer.changed();
    await writer.settled();
    await sandbox?.remove();
  };

  const end = async (graceMs: number, isDeleted: boolean): Promise<void> => {
    isEnding = true;
    wakeUp.wake();
    clearTimeout(refreshTimer);
    if (isDeleted) writer.changed();
    const deadline = Date.now() + graceMs;
    await Promise.all(runners.filter((each) => each.kind !== 'sidecar').map((each) => each.stop(graceMs)));
    // Sidecars end in the order opposite to their start, within what is left of the grace.
    for (const each of runners.filter(({ kind }) => kind === 'sidecar').reverse()) {
      await each.stop(Math.min(graceMs, Math.max(SIDECAR_GRACE_MS, deadline - Date.now())));
    }
    await life;
    await sandbox?.remove();
    if (isDeleted) await writer.settled();
    writer.close();
    await rm(dir, { recursive: true, force: true });
    gone.resolve();
  };

  const endDeleted = async (graceMs: number): Promise<void> => {
    for (const { name } of pod.spec.containers) event('Normal', 'Killing', `Stopping container ${name}`);
    await end(graceMs, true);
    const preconditions = { uid: metadata.uid ?? '' };
    await context.api
      .delete('pods', metadata.name, metadata.namespace, { gracePeriodSeconds: 0, preconditions })
      .catch((error: unknown) => {
        if (!isNotFound(error)) context.log.debug('pod not removed', { pod: metadata.name, error: messageOf(error) });
      });
  };

  // A pod that is deleted again may only end sooner.
  let shortestGraceMs = Number.POSITIVE_INFINITY;
  const life = live().catch((error: unknown) => {
    context.log.error('pod failed', { pod: `${metadata.namespace ?? ''}/${metadata.name}`, error: messageOf(error) });
  });

  return {
    gone: gone.promise,
    update: (next) => {
      pod = next;
      startEphemeral();
      if (next.metadata.deletionTimestamp === undefined) return;
      const graceMs = (next.metadata.deletionGracePeriodSeconds ?? 30) * 1000;
      if (ending === undefined) {
        ending = endDeleted(graceMs);
        background(context.log, 'end pod', ending);
      } else if (graceMs < shortestGraceMs) for (const runner of runners) void runner.stop(graceMs);
      shortestGraceMs = Math.min(shortestGraceMs, graceMs);
    },
    refresh,
    uses: (kind, name) => namesUsedBy(pod, kind).has(name),
    shutDown: (graceMs) => (ending ??= end(graceMs, false)),
    runner: (name) => runners.find((each) => each.name === name),
    sandbox: () => sandbox,
  };
}

function statuses(
  containers: readonly Container[],
  runners: readonly ContainerRunner[],
  reason: string,
): ContainerStatus[] {
  return containers.map((container) => {
    const runner = runners.find((each) => each.name === container.name);
    if (runner !== undefined) return runner.status();
    return {
      name: container.name,
      image: container.image ?? '',
      imageID: '',
      ready: false,
      started: false,
      restartCount: 0,
      state: { waiting: { reason } },
      lastState: {},
    };
  });
}

/** A container that ran before its node (or cluster) stopped is restarted now. */
function restartsOf({ status }: Pod, name: string): number {
  const all = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
  const known = all.find((each) => each.name === name);
  if (known === undefined) return 0;
  return known.state.waiting === undefined || known.restartCount > 0 ? known.restartCount + 1 : 0;
}

function sourcesOf(
  api: ObjectApi,
  namespace: string,
): { configMap(name: string): ConfigMap | undefined; secret(name: string): Secret | undefined } {
  return {
    configMap: (name) => api.get<ConfigMap>('configmaps', name, namespace),
    secret: (name) => api.get<Secret>('secrets', name, namespace),
  };
}

function memoryLimitOf(container: Container): number | undefined {
  const limit = container.resources?.limits?.['memory'];
  const bytes = limit === undefined ? 0 : Math.floor(parseQuantity(String(limit)));
  return bytes > 0 ? bytes : undefined;
}

function capabilitiesOf(container: Container): readonly string[] | undefined {
  const context = container.securityContext as { privileged?: boolean; capabilities?: { add?: string[] } } | undefined;
  return context?.privileged === true ? undefined : context?.capabilities?.add;
}
