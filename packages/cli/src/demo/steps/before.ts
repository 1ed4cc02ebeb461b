// Step 2: before the mesh, anybody on the wire can read the requests. Also opens the connection that must live through step 3.
import { watchWire } from '../wire.ts';
import { expect, type TourStep } from '../step.ts';

/** Key of the note that holds the number of the connection opened before enrolment. */
export const oldConnectionNote = 'connection opened before the label';

/** Step 2 of the tour. */
export const beforeStep: TourStep = {
  number: 2,
  title: 'before: the wire carries readable HTTP',
  commands: ['tcpdump -A -i any tcp port 9080'],
  run: async (stage) => {
    const held = await stage.load.hold('ratings', 9090);
    expect(held.ended === undefined, 'a connection to ratings:9090 could not be opened', held.ended ?? '');
    stage.notes.set(oldConnectionNote, String(held.id));
    const wire = await watchWire(stage, 2);
    expect(
      wire.readableRequestCount > 0,
      'no readable request was seen on the wire',
      `${wire.seen} ${wire.source} looked at, ${wire.tlsRecords} of TLS`,
    );
    return [
      `${wire.readableRequestCount} readable requests in 2 s, for example "${wire.readableRequests[0] ?? ''}" (seen in ${wire.source})`,
      'a long-lived plaintext connection load -> ratings:9090 is open',
    ];
  },
};
