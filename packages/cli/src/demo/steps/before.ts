// Step 2: before the mesh, anybody on the wire can read the requests. Also opens the connection that must live through step 3.
import { oldConnection } from '../held-connection.ts';
import { watchWire } from '../wire.ts';
import { expect, type TourStep } from '../step.ts';

/** Step 2 of the tour. */
export const beforeStep: TourStep = {
  number: 2,
  title: 'before: the wire carries readable HTTP',
  commands: ['tcpdump -A -i any tcp port 9080'],
  run: async (stage) => {
    await oldConnection(stage);
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
