// What analysis tells: codes, levels, texts, and the order of messages. In: findings of analyzers. Out: comparable messages.
// Called by every analyzer, by run.ts and by output.ts. Pure. Codes and names are public API.
import type { Subject } from './subject.ts';

/** How bad it is, worst first. */
export const levels = ['Error', 'Warning', 'Info'] as const;
/** One of the levels. */
export type Level = (typeof levels)[number];

/** True when `level` is at least as bad as `threshold`. */
export function isAtLeast(level: Level, threshold: Level): boolean {
  return levels.indexOf(level) <= levels.indexOf(threshold);
}

/** Codes that this program emits or that users may name when they suppress messages. */
export const messageTypes = {
  IST0001: ['Error', 'InternalError'],
  IST0002: ['Warning', 'Deprecated'],
  IST0101: ['Error', 'ReferencedResourceNotFound'],
  IST0102: ['Info', 'NamespaceNotInjected'],
  IST0103: ['Warning', 'PodMissingProxy'],
  IST0106: ['Error', 'SchemaValidationError'],
  IST0107: ['Warning', 'MisplacedAnnotation'],
  IST0108: ['Warning', 'UnknownAnnotation'],
  IST0109: ['Error', 'ConflictingMeshGatewayVirtualServiceHosts'],
  IST0110: ['Error', 'ConflictingSidecarWorkloadSelectors'],
  IST0111: ['Error', 'MultipleSidecarsWithoutWorkloadSelectors'],
  IST0112: ['Error', 'VirtualServiceDestinationPortSelectorRequired'],
  IST0116: ['Warning', 'DeploymentAssociatedToMultipleServices'],
  IST0118: ['Info', 'PortNameIsNotUnderNamingConvention'],
  IST0123: ['Warning', 'NamespaceMultipleInjectionLabels'],
  IST0125: ['Warning', 'InvalidAnnotation'],
  IST0126: ['Error', 'UnknownMeshNetworksServiceRegistry'],
  IST0127: ['Warning', 'NoMatchingWorkloadsFound'],
  IST0128: ['Warning', 'NoServerCertificateVerificationDestinationLevel'],
  IST0129: ['Warning', 'NoServerCertificateVerificationPortLevel'],
  IST0130: ['Warning', 'VirtualServiceUnreachableRule'],
  IST0131: ['Info', 'VirtualServiceIneffectiveMatch'],
  IST0132: ['Warning', 'VirtualServiceHostNotFoundInGateway'],
  IST0133: ['Warning', 'SchemaWarning'],
  IST0134: ['Warning', 'ServiceEntryAddressesRequired'],
  IST0135: ['Info', 'DeprecatedAnnotation'],
  IST0136: ['Info', 'AlphaAnnotation'],
  IST0137: ['Warning', 'DeploymentConflictingPorts'],
  IST0138: ['Warning', 'GatewayDuplicateCertificate'],
  IST0139: ['Error', 'InvalidWebhook'],
  IST0140: ['Warning', 'IngressRouteRulesNotAffected'],
  IST0141: ['Error', 'InsufficientPermissions'],
  IST0142: ['Error', 'UnsupportedKubernetesVersion'],
  IST0143: ['Error', 'LocalhostListener'],
  IST0144: ['Warning', 'InvalidApplicationUID'],
  IST0145: ['Error', 'ConflictingGateways'],
  IST0146: ['Warning', 'ImageAutoWithoutInjectionWarning'],
  IST0147: ['Error', 'ImageAutoWithoutInjectionError'],
  IST0148: ['Info', 'NamespaceInjectionEnabledByDefault'],
  IST0149: ['Error', 'JwtClaimBasedRoutingWithoutRequestAuthN'],
  IST0150: ['Warning', 'ExternalNameServiceTypeInvalidPortName'],
  IST0151: ['Warning', 'EnvoyFilterUsesRelativeOperation'],
  IST0152: ['Error', 'EnvoyFilterUsesReplaceOperationIncorrectly'],
  IST0153: ['Error', 'EnvoyFilterUsesAddOperationIncorrectly'],
  IST0154: ['Error', 'EnvoyFilterUsesRemoveOperationIncorrectly'],
  IST0155: ['Warning', 'EnvoyFilterUsesRelativeOperationWithProxyVersion'],
  IST0156: ['Error', 'UnsupportedGatewayAPIVersion'],
  IST0157: ['Warning', 'InvalidTelemetryProvider'],
  IST0158: ['Warning', 'PodsIstioProxyImageMismatchInNamespace'],
  IST0159: ['Error', 'ConflictingTelemetryWorkloadSelectors'],
  IST0160: ['Error', 'MultipleTelemetriesWithoutWorkloadSelectors'],
  IST0161: ['Error', 'InvalidGatewayCredential'],
  IST0162: ['Warning', 'GatewayPortNotDefinedOnService'],
  IST0163: ['Warning', 'InvalidExternalControlPlaneConfig'],
  IST0164: ['Info', 'ExternalControlPlaneAddressIsNotAHostname'],
  IST0165: ['Warning', 'ReferencedInternalGateway'],
  IST0166: ['Warning', 'IneffectiveSelector'],
  IST0167: ['Warning', 'IneffectivePolicy'],
  IST0168: ['Warning', 'UnknownUpgradeCompatibility'],
  IST0169: ['Warning', 'UpdateIncompatibility'],
  IST0170: ['Warning', 'MultiClusterInconsistentService'],
  IST0171: ['Warning', 'NegativeConditionStatus'],
  IST0172: ['Warning', 'FutureUnsupportedGatewayAPIVersion'],
  IST0173: ['Error', 'DestinationRuleSubsetNotSelectPods'],
  IST0174: ['Warning', 'UnknownDestinationRuleHost'],
  IST0175: ['Warning', 'JwksUriFetchUnrestricted'],
  IST0176: ['Warning', 'GatewayAPICRDVersionBelowMinimum'],
  IST0177: ['Warning', 'ConflictingServiceEntryProtocol'],
  // Ours: what upstream does not tell of an ambient mesh.
  AMB0101: ['Warning', 'PodNotCaptured'],
  AMB0102: ['Error', 'WaypointMissing'],
  AMB0103: ['Error', 'PolicyNeedsWaypoint'],
  AMB0104: ['Error', 'NetworkPolicyBlocksTunnel'],
  AMB0105: ['Error', 'NodeProxyMissing'],
  AMB0106: ['Warning', 'RouteWithoutWaypoint'],
  AMB0107: ['Warning', 'ServiceEntryWithoutAddress'],
} as const satisfies Readonly<Record<string, readonly [level: Level, name: string]>>;

/** A code of the table above. */
export type MessageCode = keyof typeof messageTypes;

/** One finding. */
export interface Message {
  readonly code: string;
  readonly level: Level;
  readonly text: string;
  /** What it is about; undefined when that is no single object. */
  readonly subject: Subject | undefined;
  /** `<file>:<line>` of the field, where the object came from a file. */
  readonly reference: string | undefined;
}

/** Builds a message; `path` names the field whose line is told instead of the object's first line. */
export function messageOf(code: MessageCode, subject: Subject, text: string, path?: string): Message {
  const line = path === undefined ? undefined : subject.lineOf(path);
  return { code, level: messageTypes[code][0], text, subject, reference: subject.referenceAt(line) };
}

/** ` (<Kind> <namespace>/<name> <file>:<line>)`, empty when the message is about no single object. */
export function originOf({ subject, reference }: Message): string {
  if (subject === undefined) return '';
  return ` (${subject.origin}${reference === undefined ? '' : ` ${reference}`})`;
}

/** The line that stands for a message: `<Level> [<code>] (<origin>) <text>`. */
export function lineOf(message: Message): string {
  return `${message.level} [${message.code}]${originOf(message)} ${message.text}`;
}

const compareTexts = (a: string, b: string): number => {
  if (a === b) return 0;
  return a < b ? -1 : 1;
};

const sortNameOf = ({ kind, name, namespace }: Subject): string =>
  `${kind === 'IstioGateway' ? 'Gateway' : kind}/${name}/${namespace}`;

function compare(a: Message, b: Message): number {
  if (a.subject !== undefined && b.subject !== undefined && a.subject.cluster !== b.subject.cluster) {
    return compareTexts(a.subject.cluster, b.subject.cluster);
  }
  if (a.level !== b.level) return levels.indexOf(a.level) - levels.indexOf(b.level);
  if (a.code !== b.code) return compareTexts(a.code, b.code);
  if ((a.subject === undefined) !== (b.subject === undefined)) return a.subject === undefined ? -1 : 1;
  const names = a.subject && b.subject ? compareTexts(sortNameOf(a.subject), sortNameOf(b.subject)) : 0;
  return names === 0 ? compareTexts(lineOf(a), lineOf(b)) : names;
}

/** Sorted by cluster, level, code, object and text; of messages that read alike, one. */
export function sortedMessages(messages: readonly Message[]): Message[] {
  const sorted = messages.toSorted(compare);
  return sorted.filter((message, index) => {
    const before = sorted[index - 1];
    return before === undefined || lineOf(before) !== lineOf(message);
  });
}
