// In: the node message of a client. Out: who it says it is, or a refusal. Pure; called by connection.ts on the first request.
// Source: spec control-plane 4.2.
import { isIP } from 'node:net';
import type { JsonObject } from '@bufbuild/protobuf';
import type { Node } from '@ambit/proto/discovery';
import { XdsError } from '../errors.ts';

/** Kinds of clients that a node id may name. */
export const NODE_TYPES = ['sidecar', 'router', 'waypoint', 'ztunnel', 'agentgateway'] as const;
/** One of {@link NODE_TYPES}. */
export type NodeType = (typeof NODE_TYPES)[number];

/** What a client says of itself. Nothing of it is proven until authorized. */
export interface XdsNode {
  readonly id: string;
  readonly type: NodeType;
  /** First valid address of INSTANCE_IPS, else the one in the id. */
  readonly ip: string;
  readonly podName: string;
  readonly podNamespace: string;
  readonly metadata: JsonObject;
  /** Metadata by name when it is a non-empty text. */
  text(name: string): string | undefined;
}

const MAX_ID_CHARACTERS = 2048;

/** Reads the node of the first request; throws ERR_XDS_INVALID_REQUEST. */
export function parseNode(node: Node | undefined): XdsNode {
  if (node === undefined || node.id === '') throw invalid('missing node information');
  const { id, metadata = {} } = node;
  if (id.length > MAX_ID_CHARACTERS) throw invalid(`node id is longer than ${MAX_ID_CHARACTERS} characters`);
  const [typeText = '', ipText = '', pod = '', domain, ...rest] = id.split('~');
  if (domain === undefined || rest.length > 0) throw invalid(`missing parts in the service node "${id}"`);
  const type = NODE_TYPES.find((known) => known === typeText);
  if (type === undefined) throw invalid(`invalid node type in the service node "${id}"`);
  const listed = metadata['INSTANCE_IPS'];
  const addresses = typeof listed === 'string' && listed !== '' ? listed.split(',') : [ipText];
  const ip = addresses.map((address) => address.trim()).find((address) => isIP(address) !== 0);
  if (ip === undefined) throw invalid(`no valid IP address for the service node "${id}"`);
  const dot = pod.lastIndexOf('.');
  return {
    id,
    type,
    ip,
    podName: dot < 0 ? pod : pod.slice(0, dot),
    podNamespace: dot < 0 ? '' : pod.slice(dot + 1),
    metadata,
    text(name) {
      const value = Object.hasOwn(metadata, name) ? metadata[name] : undefined;
      return typeof value === 'string' && value !== '' ? value : undefined;
    },
  };
}

function invalid(message: string): XdsError {
  return new XdsError('ERR_XDS_INVALID_REQUEST', message);
}
