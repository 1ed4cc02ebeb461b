// In: a held connection's number. Out: the one from before the mesh, and proof that it still carries data, or why not. Called by tour steps.
import { waitUntil } from '../output/wait-until.ts';
import { expect } from './step.ts';
import type { Stage } from './stage.ts';

const oldConnectionNote = 'connection opened before the label';

/** Number of the connection that was opened before the namespace was labelled; opens it when nobody has yet. */
export async function oldConnection(stage: Stage): Promise<number> {
  const known = stage.notes.get(oldConnectionNote);
  if (known !== undefined) return Number(known);
  const held = await stage.load.hold('ratings', 9090);
  expect(held.ended === undefined, 'a connection to ratings:9090 could not be opened', held.ended ?? '');
  stage.notes.set(oldConnectionNote, String(held.id));
  return held.id;
}

/** Waits for five more echoes on the connection. Returns how many it has carried in all. */
export async function stillEchoes(stage: Stage, id: number): Promise<number> {
  const before = await stage.load.held(id);
  return waitUntil(`echoes on connection ${id}`, 10_000, async () => {
    const now = await stage.load.held(id);
    expect(now.ended === undefined, `connection ${id} to ${now.target} was cut`, now.ended ?? '');
    return now.echoes >= before.echoes + 5
      ? { value: now.echoes }
      : { missing: `${now.echoes - before.echoes} new echoes` };
  });
}
