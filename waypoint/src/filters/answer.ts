/**
 * Answers of our own, and what every answer carries (spec/waypoint.md 4.6.3, 6.1). Called by order.ts and
 * upstream/relay-response.ts; data thread.
 */
import { type HeaderList, type LocalReply, renderLocalReply } from '@ambit/l7';
import type { Exchange } from '../http/exchange.ts';
import type { RequestRecord } from '../telemetry/request-record.ts';
import type { ProxySettings } from '../updates/proxy-settings.ts';
import type { RequestContext } from './request-context.ts';

/** Writes a local reply; `finish` is called when it was handed to the transport. */
export const sendLocalReply = (
  exchange: Exchange,
  record: RequestRecord,
  reply: LocalReply,
  settings: ProxySettings,
  onResponse: RequestContext['onResponse'],
  finish: () => void,
): void => {
  noteReply(record, reply);
  const rendered = renderLocalReply(reply, exchange.head.headers.get('content-type'));
  const { headers } = rendered;
  for (const edit of onResponse) edit(headers);
  finishResponseHeaders(headers, settings, undefined);
  const headOnly = exchange.head.method === 'HEAD' || rendered.body.length === 0;
  record.status = rendered.status;
  record.grpcStatus = headers.get('grpc-status');
  record.responseHeaderBytes = headers.byteLength;
  record.responseHeaders = headers;
  exchange.onClosed = finish;
  exchange.body.discard(); // what the client still sends is dropped
  const bytes = typeof rendered.body === 'string' ? Buffer.from(rendered.body) : rendered.body;
  if (!headOnly) record.responseBodyBytes = bytes.byteLength;
  const send = (): void => {
    const closeConnection = reply.closeConnection || exchange.isWebsocket || !exchange.isRequestComplete;
    exchange.respond(rendered.status, headers, { endStream: headOnly, closeConnection });
    if (headOnly) return;
    exchange.sink.write(bytes);
    exchange.end(undefined);
  };
  // A body that came together with its head is complete one turn later, and the connection can be kept.
  if (exchange.isRequestComplete) send();
  else setImmediate(send);
};

/** What the log says about a local reply. */
export const noteReply = (record: RequestRecord, reply: LocalReply): void => {
  record.status = reply.status;
  record.details = reply.details;
  if (reply.flag !== undefined) record.flags.add(reply.flag);
};

let dateText = '';
let dateSecond = 0;

/** `date` of now; made once per second. */
const httpDate = (): string => {
  const now = Date.now();
  const second = Math.floor(now / 1000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateText = new Date(now).toUTCString();
  }
  return dateText;
};

/** Fields that every response gets; `record` for the answer of a backend. */
export const finishResponseHeaders = (
  headers: HeaderList,
  settings: ProxySettings,
  record: RequestRecord | undefined,
): void => {
  if (!headers.has('date')) headers.append('date', httpDate());
  if (!settings.keepServerHeader) headers.replace('server', settings.serverName);
  if (settings.via !== '') appendVia(headers, settings.via);
  if (record?.requestId !== undefined && settings.requestIdInResponse)
    headers.replace('x-request-id', record.requestId);
};

/** Our pseudonym behind those of the proxies before us (RFC 9110 7.6.3). */
export const appendVia = (headers: HeaderList, via: string): void => {
  const known = headers.joined('via');
  headers.replace('via', known === undefined ? via : `${known}, ${via}`);
};
