// Answers of debug tools over xDS (`istioctl proxy-status`, `istioctl x internal-debug`; spec control-plane 9.2). In: a question.
// Out: resources, or XdsError to refuse. Called by the xDS server; main thread.
import { create, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { ClientConfigSchema, ConfigStatus } from '@ambit/proto/client-status';
import { DEBUG_TYPE_PREFIX, typeUrlOf } from '@ambit/proto/type-urls';
import {
  type AnswerDebug,
  checkNodeIdentity,
  type ClientIdentity,
  type ClientStatus,
  type DebugResource,
  XdsError,
  type XdsServer,
} from '@ambit/xds/server';
import { parseSpiffeId } from '@ambit/identity';
import { VERSION_TEXT } from '../version.ts';
import type { DebugPages } from './debug-pages.ts';

/** What the answers are made of. */
export interface DebugAnswerParts {
  readonly pages: () => DebugPages;
  readonly xds: () => XdsServer;
  /** Callers of this namespace see everything. */
  readonly systemNamespace: string;
  /** Who answers, when there are several replicas. */
  readonly podName: string;
}

const SYNCZ = `${DEBUG_TYPE_PREFIX}/syncz`;
const CONFIG_DUMP = `${DEBUG_TYPE_PREFIX}/config_dump`;

/** Makes the function that the xDS server asks. */
export function answerOverXds(parts: DebugAnswerParts): AnswerDebug {
  const identifier = JSON.stringify({
    Component: 'istiod',
    ID: parts.podName,
    Info: {
      version: VERSION_TEXT.version,
      revision: VERSION_TEXT.revision,
      status: 'Clean',
      tag: VERSION_TEXT.version,
    },
  });
  return ({ typeUrl, names, node, identity }) => {
    if (identity === undefined) throw new XdsError('ERR_XDS_UNAUTHENTICATED', 'authentication required');
    checkNodeIdentity(node, identity);
    const namespace = namespaceOf(identity);
    const seen = namespace === parts.systemNamespace ? undefined : namespace;
    if (typeUrl === SYNCZ) return { identifier, resources: clientConfigs(parts.xds(), seen) };
    // Envoy's own dump format: our proxies have none, and tools ask the proxies themselves.
    if (typeUrl === CONFIG_DUMP) return { identifier, resources: [] };
    if (names.length !== 1) throw new XdsError('ERR_XDS_INVALID_REQUEST', 'exactly one debug request is required');
    return { identifier, resources: [page(parts.pages(), names[0] ?? '', seen)] };
  };
}

function page(pages: DebugPages, request: string, namespace: string | undefined): DebugResource {
  const { pathname, searchParams } = new URL(request.slice(0, MAX_REQUEST_CHARACTERS), 'http://debug/');
  const name = pathname.slice(1);
  if (namespace !== undefined && pages.isRestricted(name)) {
    throw new XdsError(
      'ERR_XDS_PERMISSION_DENIED',
      `the debug info is not available for current identity of namespace "${namespace}"`,
    );
  }
  const shown = pages.show(name, searchParams, namespace);
  const text = shown === undefined ? '404 page not found\n' : JSON.stringify(shown.value, undefined, 2);
  return { name: request, typeUrl: DEBUG_TYPE_PREFIX, bytes: Buffer.from(text) };
}

const MAX_REQUEST_CHARACTERS = 1024;

function clientConfigs(xds: XdsServer, namespace: string | undefined): DebugResource[] {
  return xds
    .status()
    .filter((client) => namespace === undefined || client.metadata['NAMESPACE'] === namespace)
    .map((client) => ({
      name: client.nodeId,
      typeUrl: typeUrlOf(ClientConfigSchema.typeName),
      bytes: toBinary(ClientConfigSchema, create(ClientConfigSchema, clientConfig(client))),
    }));
}

function clientConfig({ nodeId, metadata, types }: ClientStatus) {
  const known = ['CLUSTER_ID', 'NAMESPACE', 'ISTIO_VERSION'] as const;
  const shown = Object.fromEntries(known.flatMap((key) => (metadata[key] === undefined ? [] : [[key, metadata[key]]])));
  return {
    // Tools show `<pod>.<namespace>`, the third part of the id.
    node: { id: nodeId.split('~')[2] ?? nodeId, metadata: shown },
    genericXdsConfigs: types
      .toSorted((a, b) => (a.typeUrl < b.typeUrl ? -1 : 1))
      .map(({ typeUrl, state, sentAtMs, lastError }) => ({
        typeUrl,
        configStatus: state === 'NACK' ? ConfigStatus.ERROR : ConfigStatus[state],
        lastUpdated: timestampFromMs(sentAtMs),
        ...(lastError !== undefined && {
          errorState: { lastUpdateAttempt: timestampFromMs(sentAtMs), details: lastError },
        }),
      })),
  };
}

function namespaceOf({ identities }: ClientIdentity): string {
  return identities.map((uri) => parseSpiffeId(uri)?.namespace).find((namespace) => namespace !== undefined) ?? '';
}
