// The public face of @ambit/net. Importing it loads no native code: that happens on the first call that needs it.
export * from './close-notice.ts';
export * from './connect.ts';
export * from './duplex.ts';
export * from './endpoint.ts';
export * from './errors.ts';
export * from './listener.ts';
export {
  closeFd,
  duplicateFd,
  insideNetns,
  netnsFromFd,
  type NetnsHandle,
  openNetns,
  readSysctl,
  writeSysctl,
} from './native/netns.ts';
export { openPipe, type PipeEnds } from './native/pipe.ts';
export { type Keepalive } from './native/socket-options.ts';
export { isNativeAvailable } from './native/libc.ts';
export { leaveReusePortGroup } from './native/sockets.ts';
export { NodeStreamEndpoint, type NodeStreamOptions } from './node-stream-endpoint.ts';
export { type FramedSocket, framedSocket } from './framed-socket.ts';
export * from './original-destination.ts';
export * from './region.ts';
export * from './relay.ts';
export { secureClient, secureServer, takeNodeStream } from './secure.ts';
export * from './secure-options.ts';
export * from './secure-engine.ts';
export * from './socket-domain.ts';
export { descriptorOf } from './socket-endpoint.ts';
export * from './tls-context.ts';
export {
  changeRoutes,
  dumpRoutes,
  netfilterGeneration,
  netfilterTables,
  type RouteDump,
  routeAttribute,
  type RouteRequest,
} from './native/netlink.ts';
export { attributesOf } from './native/netlink-messages.ts';
export { openCapture, type PacketCapture } from './native/capture.ts';
export {
  connectSequenced,
  listenSequenced,
  type SequencedListener,
  type SequencedPacket,
  type SequencedSocket,
} from './native/sequenced.ts';
export * from './proxy-protocol.ts';
