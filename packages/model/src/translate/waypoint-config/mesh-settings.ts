// Mesh-wide settings in the words of the ProxyConfig (spec waypoint 4.6.1, 7.3). Pure; called by gateway.ts.
import type { MessageInitShape } from '@bufbuild/protobuf';
import { AccessLogProvider_Format, HttpDefaults_Normalize, type ProviderSchema } from '@ambit/proto/waypoint';
import type { AccessLogOptions, PathNormalization } from '../../options.ts';

/** Upstream's name of the provider that `accessLogFile` makes. */
const FILE_PROVIDER = 'envoy';

const normalizations: Readonly<Record<PathNormalization, HttpDefaults_Normalize>> = {
  DEFAULT: HttpDefaults_Normalize.BASE,
  BASE: HttpDefaults_Normalize.BASE,
  NONE: HttpDefaults_Normalize.NONE,
  MERGE_SLASHES: HttpDefaults_Normalize.MERGE_SLASHES,
  DECODE_AND_MERGE_SLASHES: HttpDefaults_Normalize.DECODE_AND_MERGE,
};

/** How paths are compared and forwarded. */
export function normalization(setting: PathNormalization): HttpDefaults_Normalize {
  return normalizations[setting];
}

/** Where access log lines go. */
export function accessLogProvider({
  path,
  encoding,
  textFormat,
  jsonFields,
}: AccessLogOptions): MessageInitShape<typeof ProviderSchema> {
  const format = encoding === 'JSON' ? AccessLogProvider_Format.JSON : AccessLogProvider_Format.TEXT;
  return {
    name: FILE_PROVIDER,
    body: { case: 'accessLog', value: { path, format, textFormat, jsonFields: { ...jsonFields } } },
  };
}
