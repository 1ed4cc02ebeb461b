// The cluster DNS on one node: UDP and TCP sockets, made inside the node's namespace, over the pure answers.
// Comes in: queries of pods. Goes out: answers from Services and slices. Started by the cluster per node. Main thread.
import { createSocket } from 'node:dgram';
import type { Socket as UdpSocket } from 'node:dgram';
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { once } from 'node:events';
import type { ObjectApi } from '../api/object-api.ts';
import { ANSWER_CODE, buildAnswer, parseQuestion } from './dns-message.ts';
import { answerName, CLUSTER_DOMAIN } from './dns-records.ts';

/** A running DNS server; `close()` ends both sockets. */
export interface DnsServer {
  close(): void;
}

const MAX_UDP_BYTES = 1232;
const MAX_TCP_BYTES = 65_535;
const IDLE_MS = 10_000;

/** Serves on two bound sockets (see `@ambit/net` bindUdp and bindListener), which it owns from here on. */
export async function serveDns(api: ObjectApi, sockets: { udpFd: number; tcpFd: number }): Promise<DnsServer> {
  const udp = createSocket('udp4');
  udp.on('message', (message, from) => {
    const answer = answerMessage(api, message, MAX_UDP_BYTES);
    if (answer !== undefined) udp.send(answer, from.port, from.address);
  });
  udp.on('error', () => undefined); // an answer that can not be sent is the client's retry
  const udpReady = once(udp, 'listening'); // a bind of a descriptor is done at once
  udp.bind({ fd: sockets.udpFd });
  const tcp = createServer((socket) => serveStream(api, socket));
  tcp.on('error', () => undefined);
  const tcpReady = once(tcp, 'listening');
  tcp.listen({ fd: sockets.tcpFd });
  await Promise.all([udpReady, tcpReady]);
  return { close: () => closeBoth(udp, tcp) };
}

function closeBoth(udp: UdpSocket, tcp: Server): void {
  udp.close();
  tcp.close();
}

function answerMessage(api: ObjectApi, message: Buffer, maxBytes: number): Buffer | undefined {
  const question = parseQuestion(message);
  if (question === undefined) return undefined;
  if (question.opcode !== 0) return buildAnswer(question, ANSWER_CODE.notImplemented, [], [], CLUSTER_DOMAIN, maxBytes);
  const { code, answers, additional } = answerName(api, question.name, question.type);
  return buildAnswer(question, code, answers, additional, CLUSTER_DOMAIN, maxBytes);
}

function serveStream(api: ObjectApi, socket: Socket): void {
  let pending = Buffer.alloc(0);
  socket.setTimeout(IDLE_MS, () => socket.destroy());
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
      const length = pending.readUInt16BE(0);
      const answer = answerMessage(api, pending.subarray(2, 2 + length), MAX_TCP_BYTES);
      pending = pending.subarray(2 + length);
      if (answer === undefined) {
        socket.destroy();
        return;
      }
      const prefix = Buffer.alloc(2);
      prefix.writeUInt16BE(answer.length, 0);
      socket.write(Buffer.concat([prefix, answer]));
    }
  });
}
