/** Step 8: bodies that have to be here whole before they go on (spec/waypoint.md 4.6.5, policy kind `buffer`). Data thread. */
import { type LocalReply, replies } from '@ambit/l7';
import type { Filter, RequestContext } from './request-context.ts';

/** Waits for the whole body, or answers 413. */
export const bufferBody: Filter = (context) => {
  const limit = context.frontend.bodyLimit();
  return limit === undefined || !context.exchange.hasBody ? undefined : wait(context, limit);
};

const wait = async (context: RequestContext, limit: number): Promise<LocalReply | undefined> => {
  const { isPartial } = await context.body().peek(limit);
  return isPartial ? replies.requestTooLarge : undefined;
};
