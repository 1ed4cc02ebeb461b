// In: the environment. Out: one frozen record. Called by main.ts only.

/** The services that this program can be. */
export const serviceNames = ['productpage', 'details', 'reviews', 'ratings', 'load'] as const;

/** Name of one service. */
export type ServiceName = (typeof serviceNames)[number];

/** Settings of one service process. */
export interface BookinfoConfig {
  /** HTTP port, default 9080; 0 lets the system choose. */
  readonly port: number;
  /** TCP echo port of `ratings`, default 9090. */
  readonly echoPort: number;
  /** `v1` no stars, `v2` black stars, `v3` red stars. Default `v1`. */
  readonly version: string;
  /** `host` or `host:port` of the other services. */
  readonly details: string;
  readonly reviews: string;
  readonly ratings: string;
  readonly productPage: string;
  /** Requests per second of the load generator, default 10; 0 switches the background load off. */
  readonly requestsPerSecond: number;
}

const numberOf = (value: string | undefined, fallback: number): number => {
  const parsed = Number(value);
  return value === undefined || value === '' || !Number.isFinite(parsed) || parsed < 0 ? fallback : parsed;
};

/** Reads the environment once. Unusable numbers fall back to the default. */
export function readConfig(env: Readonly<Record<string, string | undefined>>): BookinfoConfig {
  return Object.freeze({
    port: numberOf(env['PORT'], 9080),
    echoPort: numberOf(env['ECHO_PORT'], 9090),
    version: env['SERVICE_VERSION'] ?? 'v1',
    details: env['DETAILS_HOSTNAME'] ?? 'details:9080',
    reviews: env['REVIEWS_HOSTNAME'] ?? 'reviews:9080',
    ratings: env['RATINGS_HOSTNAME'] ?? 'ratings:9080',
    productPage: env['PRODUCTPAGE_HOSTNAME'] ?? 'productpage:9080',
    requestsPerSecond: numberOf(env['REQUESTS_PER_SECOND'], 10),
  });
}
