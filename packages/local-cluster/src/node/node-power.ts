// A node's power switch: annotations of its Node object, so that whoever may change nodes can turn one off, as one pulls a
// plug. In: the Node. Out: calls of `off` and `on`, one after the other, and the annotation that tells the state. Called by
// node-runtime.ts. Main thread.
import { background } from '@ambit/runtime/background';
import type { Logger } from '@ambit/runtime/log';
import type { ObjectApi } from '../api/object-api.ts';
import type { Node } from '../controllers/objects.ts';

/** `off` stops the node: its pods die at once, its lease ends. Removed or `on`: it starts again. */
export const POWER = 'ambit.io/power';
/** Any new text: off and on again. */
export const REBOOT = 'ambit.io/reboot';
/** What the node has done: `on` or `off`, and the reboot it did last. Written by the node. */
export const POWER_STATE = 'ambit.io/power-state';

/** What switching does. */
export interface PowerSwitch {
  off(): Promise<void>;
  on(): Promise<void>;
}

interface Wish {
  readonly isOn: boolean;
  readonly reboot: string;
}

const wishOf = ({ metadata: { annotations = {} } }: Node): Wish => ({
  isOn: annotations[POWER] !== 'off',
  reboot: annotations[REBOOT] ?? '',
});

/** Text of {@link POWER_STATE} once a wish is done. */
export const powerState = ({ isOn, reboot }: Wish): string => `${isOn ? 'on' : 'off'} ${reboot}`.trim();

/** A switch that is followed. */
export interface FollowedPower {
  /** Ends following; resolves when nothing is switched any more. Idempotent. */
  close(): Promise<void>;
}

/** Follows the annotations; what they said before the node started is done already, unless they say off. */
export function followPower(api: ObjectApi, name: string, log: Logger, to: PowerSwitch): FollowedPower {
  let current: Wish | undefined;
  let wanted: Wish | undefined;
  let running: Promise<void> | undefined;
  let isClosed = false;

  const reach = async (from: Wish, next: Wish): Promise<void> => {
    const isReboot = next.reboot !== from.reboot;
    if (from.isOn && (!next.isOn || isReboot)) await to.off();
    if (isClosed) return;
    if (next.isOn && (!from.isOn || isReboot)) await to.on();
    const annotations = { [POWER_STATE]: powerState(next) };
    await api.patch('nodes', name, undefined, { metadata: { annotations } });
    log.info('node switched', { node: name, state: powerState(next) });
  };
  const act = async (): Promise<void> => {
    try {
      while (!isClosed && wanted !== undefined && current !== undefined && powerState(wanted) !== powerState(current)) {
        const next: Wish = wanted;
        await reach(current, next);
        current = next;
      }
    } finally {
      running = undefined;
    }
  };

  const watch = api.watch<Node>('nodes', { fieldSelector: `metadata.name=${name}` }, ({ type, object }) => {
    if (type === 'DELETED') return;
    wanted = wishOf(object);
    current ??= { isOn: true, reboot: wanted.reboot };
    if (running !== undefined) return;
    // Later, so that it is known as running before it ends.
    running = Promise.resolve().then(act);
    background(log, 'switch node', running);
  });
  return {
    close: async () => {
      isClosed = true;
      watch[Symbol.dispose]();
      await running?.catch(() => undefined);
    },
  };
}
