/** Parsed YAML of Envoy, read without trust in its shape. Used by every file of this folder. */

/** Parsed YAML; its shape is Envoy's. */
export type Yaml = Readonly<Record<string, unknown>>;

/** A list, empty when it is none. */
export const asList = (value: unknown): readonly Yaml[] => (Array.isArray(value) ? (value as Yaml[]) : []);
/** A map, empty when it is none. */
export const asMap = (value: unknown): Yaml => (typeof value === 'object' && value !== null ? (value as Yaml) : {});

/** Text as it is, anything else as a fallback. */
export const asText = (value: unknown, fallback = ''): string => (typeof value === 'string' ? value : fallback);

/** Seconds as Envoy writes them -> protobuf duration. */
export const durationOf = (value: unknown): { readonly seconds: bigint; readonly nanos: number } | undefined => {
  if (typeof value !== 'string' || !value.endsWith('s')) return undefined;
  const ms = Math.round(Number(value.slice(0, -1)) * 1000);
  return { seconds: BigInt(Math.floor(ms / 1000)), nanos: (ms % 1000) * 1e6 };
};
