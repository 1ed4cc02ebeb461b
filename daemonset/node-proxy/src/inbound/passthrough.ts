/**
 * A captured plaintext connection in; carried to its original destination, or reset. Data thread.
 *
 * Called by `threads/pod-traffic.ts` for each connection on 15006. No identity, so STRICT (a DENY policy on missing
 * principals) ends it here; the client sees a reset (spec/node-proxy.md 3.3).
 */
import { type Endpoint, originalDestination } from '@ambit/net';
import { Cancellation } from '@ambit/runtime/cancellation';
import { formatIpPort } from '@ambit/state';
import { abandonedBy, carry } from '../connections/carry.ts';
import { earlyDenial, openRecord } from '../telemetry/connection-record.ts';
import { partyOf, serviceParty, sourceParty } from '../telemetry/party.ts';
import { illegalPorts, knownOwnWorkload, ownWorkload, type PodContext } from '../threads/pod-context.ts';
import { authorize, denied, type InboundPlan, planPlaintext } from './authorize.ts';
import { connectApplication } from './forward.ts';
import { logDecision } from './policy-log.ts';

/** Serves one plaintext connection. Never rejects; owns the endpoint. */
export async function servePlaintext(context: PodContext, client: Endpoint): Promise<void> {
  const hold = context.drain.hold();
  context.openSockets.destination += 1;
  const remote = client.remote ?? { ip: '0.0.0.0', port: 0 };
  const destination = originalDestination(client) ?? client.local ?? { ip: '0.0.0.0', port: 0 };
  try {
    const own = knownOwnWorkload(context) ?? (await ownWorkload(context));
    const plan = planPlaintext(context.state.snapshot(), {
      own,
      remote,
      destination,
      illegalPorts: illegalPorts(context.config),
    });
    if (plan.kind === 'refuse') throw plan.error;
    await carryPlaintext(context, client, remote, plan);
  } catch (error) {
    earlyDenial(context.sink, {
      sourceAddress: formatIpPort(remote.ip, remote.port),
      destinationAddress: formatIpPort(destination.ip, destination.port),
      direction: 'inbound',
      error,
    });
    client.destroy(error instanceof Error ? error : new Error('inbound connection failed'));
  } finally {
    context.openSockets.destination -= 1;
    hold[Symbol.dispose]();
  }
}

async function carryPlaintext(
  context: PodContext,
  client: Endpoint,
  remote: { readonly ip: string; readonly port: number },
  plan: Extract<InboundPlan, { kind: 'forward' }>,
): Promise<void> {
  const cancellation = new Cancellation();
  const target = formatIpPort(plan.target.ip, plan.target.port);
  const service = serviceParty(plan.service);
  const source = sourceParty(plan.source, undefined, undefined);
  const record = openRecord(context.sink, {
    reporter: 'destination',
    sourceAddress: formatIpPort(remote.ip, remote.port),
    destinationAddress: target,
    destination: partyOf(plan.facts.destination),
    mutualTls: false,
    ...(service === undefined ? {} : { service }),
    ...(source === undefined ? {} : { source }),
  });
  const registered = context.registry.register({
    facts: plan.facts,
    dump: {
      direction: 'inbound',
      src: formatIpPort(remote.ip, remote.port),
      originalDst: null,
      actualDst: target,
      protocol: 'TCP',
    },
    destroy: (reason) => cancellation.abort(reason),
  });
  const onClose = (error: Error | undefined) => cancellation.abort(abandonedBy('the client', error));
  client.onClose = onClose;
  try {
    // Registered first: a policy that arrives from here on finds the connection (spec 3.7).
    const decision = authorize(context.state.snapshot(), plan.facts, context.config.missingPolicy);
    logDecision(context, decision, plan.facts);
    if (!decision.allow) throw denied(decision);
    const upstream = await connectApplication(context, {
      target: plan.target,
      client: remote,
      proxyDestination: undefined,
      signal: cancellation,
    });
    await carry(client, upstream, { record, signal: cancellation });
  } catch (error) {
    record.complete(error);
    client.destroy(error instanceof Error ? error : new Error('inbound connection failed'));
  } finally {
    registered[Symbol.dispose]();
  }
}
