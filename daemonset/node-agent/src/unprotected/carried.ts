// In: one look at a pod's tables. Out: the connections that no node proxy carries. Pure. Called by capture/netns-capture.ts.
//
// The node proxy's sockets are in the pod's own namespace, so a connection that it carries has both of its ends there: the application's, and
// the one that the proxy accepted on a capture port or opened with the application's peer as its source. A connection from before the
// enrolment has its other end in another pod. So an agent can tell them apart in a pod that another agent captured.
import { capturePorts } from '../rules/plan.ts';
import type { TableConnection, TableView } from './table.ts';

const ownPorts: ReadonlySet<number> = new Set(Object.values(capturePorts));

const localEnd = ({ localAddress, localPort }: TableConnection): string => `${localAddress} ${localPort}`;
const remoteEnd = ({ remoteAddress, remotePort }: TableConnection): string => `${remoteAddress} ${remotePort}`;

/** Established connections of the pod's applications with no other end in the pod. */
export function uncarried({ established, ends }: TableView): readonly TableConnection[] {
  const pairs = new Set(ends.map((end) => `${localEnd(end)}>${remoteEnd(end)}`));
  // REDIRECT changed the destination of what these accepted: only the application's end tells which one it is.
  const captured = new Set(ends.filter(({ localPort }) => ownPorts.has(localPort)).map(remoteEnd));
  return established.filter(
    (connection) =>
      !ownPorts.has(connection.localPort) &&
      connection.remotePort !== capturePorts.tunnel &&
      !pairs.has(`${remoteEnd(connection)}>${localEnd(connection)}`) &&
      !captured.has(localEnd(connection)),
  );
}

/** Those that two looks one after the other agree on: a connection that began or ended during one look shows half of itself. */
export function uncarriedTwice(look: () => TableView): readonly TableConnection[] {
  const first = uncarried(look());
  if (first.length === 0) return first;
  const again = new Set(uncarried(look()).map(({ key }) => key));
  return first.filter(({ key }) => again.has(key));
}
