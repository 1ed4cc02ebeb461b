// In: a generated service descriptor. Out: the method table that a gRPC library wants, with protobuf bytes on the wire.
// Called by: xds, identity and control-plane when they make a client or mount a service. Knows no gRPC library: the result is structural.
import { type DescMessage, type DescMethod, type MessageShape, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { GenService } from '@bufbuild/protobuf/codegenv2';

/** The generated shape of the methods of a service. */
type Methods = Record<
  string,
  {
    methodKind: 'unary' | 'server_streaming' | 'client_streaming' | 'bidi_streaming';
    input: DescMessage;
    output: DescMessage;
  }
>;

/** One method: its path, kind, and how messages become bytes; fits grpc-js `MethodDefinition`. */
export interface GrpcMethod<Request, Response> {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly originalName: string;
  requestSerialize(value: Request): Buffer;
  requestDeserialize(bytes: Buffer): Request;
  responseSerialize(value: Response): Buffer;
  responseDeserialize(bytes: Buffer): Response;
}

/** The methods of a service by local name (`createCertificate`); fits grpc-js `ServiceDefinition`. */
export type GrpcService<M extends Methods> = {
  readonly [K in keyof M]: GrpcMethod<MessageShape<M[K]['input']>, MessageShape<M[K]['output']>>;
};

/** Turns a service descriptor into a method table. */
export function grpcService<M extends Methods>(service: GenService<M>): GrpcService<M> {
  const methods: Record<string, unknown> = {};
  for (const method of service.methods) methods[method.localName] = grpcMethod(method);
  // The loop visits exactly the methods that the generated type names; TypeScript cannot see that.
  return methods as GrpcService<M>;
}

function grpcMethod(method: DescMethod): GrpcMethod<MessageShape<DescMessage>, MessageShape<DescMessage>> {
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    requestStream: method.methodKind === 'client_streaming' || method.methodKind === 'bidi_streaming',
    responseStream: method.methodKind === 'server_streaming' || method.methodKind === 'bidi_streaming',
    originalName: method.localName,
    ...codecs(method),
  };
}

function codecs(method: DescMethod): {
  requestSerialize(value: MessageShape<DescMessage>): Buffer;
  requestDeserialize(bytes: Buffer): MessageShape<DescMessage>;
  responseSerialize(value: MessageShape<DescMessage>): Buffer;
  responseDeserialize(bytes: Buffer): MessageShape<DescMessage>;
} {
  return {
    requestSerialize: (value) => bufferOf(toBinary(method.input, value)),
    requestDeserialize: (bytes) => fromBinary(method.input, bytes),
    responseSerialize: (value) => bufferOf(toBinary(method.output, value)),
    responseDeserialize: (bytes) => fromBinary(method.output, bytes),
  };
}

/** A Buffer over the same memory. */
function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
