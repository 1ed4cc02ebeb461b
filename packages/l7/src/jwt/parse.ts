/**
 * The text of a token -> header and payload, or the words of the refusal (spec/waypoint.md 6.3). Nothing is verified here.
 * In: what a client sent. Out: plain data. Called by jwt.ts on the data thread; the size is bounded by the header limits.
 */

/** A token that has the right form; its signature is still to be checked. */
export interface ParsedJwt {
  /** The token as it was sent. */
  readonly text: string;
  readonly algorithm: JwtAlgorithm;
  readonly keyId: string | undefined;
  readonly payload: Readonly<Record<string, unknown>>;
  /** Middle section as it was sent (base64url). */
  readonly payloadText: string;
  readonly issuer: string;
  readonly audiences: readonly string[];
  /** Seconds since 1970; undefined = never. */
  readonly expiresAt: number | undefined;
  readonly notBefore: number | undefined;
}

/** A parsed token, or why it is none. */
export type JwtParseResult =
  | { readonly ok: true; readonly token: ParsedJwt }
  | { readonly ok: false; readonly problem: string };

/** Signature algorithms that are accepted (spec/waypoint.md 4.3); `none` never is. */
export const JWT_ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'HS256',
  'HS384',
  'HS512',
] as const;

/** One of {@link JWT_ALGORITHMS}. */
export type JwtAlgorithm = (typeof JWT_ALGORITHMS)[number];

const refuse = (problem: string): JwtParseResult => ({ ok: false, problem });

/** Tokens whose parsed form is remembered, and the longest text of one: a client sends its token with every request. */
const maxRemembered = 1024;
const maxRememberedLength = 4096;
const remembered = new Map<string, JwtParseResult>();

/** Reads a token. Never throws. Equal texts may have one result; nobody changes it. */
export const parseJwt = (text: string): JwtParseResult => {
  const known = remembered.get(text);
  if (known !== undefined) return known;
  if (text.length > maxRememberedLength) return parse(text);
  // A copy of its own: the text may be a slice that would hold the whole head it was cut from.
  const copy = JSON.parse(JSON.stringify(text)) as string;
  const parsed = parse(copy);
  if (!parsed.ok) return parsed;
  if (remembered.size >= maxRemembered) remembered.delete(remembered.keys().next().value as string);
  remembered.set(copy, parsed);
  return parsed;
};

const parse = (text: string): JwtParseResult => {
  const sections = text.split('.');
  if (sections.length !== 3) {
    return refuse('Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections');
  }
  const [headerText, payloadText, signatureText] = sections as [string, string, string];
  const header = section(headerText, 'header');
  if (typeof header === 'string') return refuse(header);
  const headerProblem = problemOfHeader(header);
  if (headerProblem !== undefined) return refuse(headerProblem);
  const payload = section(payloadText, 'payload');
  if (typeof payload === 'string') return refuse(payload);
  const payloadProblem = problemOfPayload(payload);
  if (payloadProblem !== undefined) return refuse(payloadProblem);
  if (!isBase64UrlText(signatureText)) return refuse('Jwt signature is an invalid Base64url encoded');
  const { iss, aud, exp, nbf } = payload;
  return {
    ok: true,
    token: {
      text,
      algorithm: header['alg'] as JwtAlgorithm,
      keyId: header['kid'] as string | undefined,
      payload,
      payloadText,
      issuer: (iss as string | undefined) ?? '',
      audiences: aud === undefined ? [] : typeof aud === 'string' ? [aud] : (aud as string[]),
      expiresAt: exp as number | undefined,
      notBefore: nbf as number | undefined,
    },
  };
};

type Section = Readonly<Record<string, unknown>>;

const section = (text: string, name: 'header' | 'payload'): Section | string => {
  const bytes = decodeBase64Url(text);
  if (bytes === undefined) return `Jwt ${name} is an invalid Base64url encoded`;
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Section;
  } catch {
    // the same answer as for a value that is no object
  }
  return `Jwt ${name} is an invalid JSON`;
};

const problemOfHeader = ({ alg, kid, crit }: Section): string | undefined => {
  if (typeof alg !== 'string') return 'Jwt header [alg] field is required and must be a string';
  // An extension that must be understood and is not makes the token unusable (RFC 7515 4.1.11).
  if (!(JWT_ALGORITHMS as readonly string[]).includes(alg) || crit !== undefined) {
    return 'Jwt header [alg] is not supported';
  }
  return kid === undefined || typeof kid === 'string' ? undefined : 'Jwt header [kid] field is not a string';
};

const problemOfPayload = (payload: Section): string | undefined => {
  for (const name of ['iss', 'sub'] as const) {
    const value = payload[name];
    if (value !== undefined && typeof value !== 'string') return `Jwt payload [${name}] field is not a string`;
  }
  for (const name of ['iat', 'nbf', 'exp'] as const) {
    const value = payload[name];
    if (value === undefined) continue;
    if (typeof value !== 'number') return `Jwt payload [${name}] field is not an integer`;
    if (value < 0 || value >= 2 ** 64) return `Jwt payload [${name}] field is not a positive 64 bit integer`;
  }
  const audience = payload['aud'];
  const isText = (value: unknown): boolean => typeof value === 'string';
  if (audience === undefined || isText(audience) || (Array.isArray(audience) && audience.every(isText))) {
    return undefined;
  }
  return 'Jwt payload [aud] field is not a string or string list';
};

/** Bytes of base64url text without padding (RFC 7515 2); undefined for anything else. */
export const decodeBase64Url = (text: string): Uint8Array | undefined => {
  if (!isBase64UrlText(text)) return undefined;
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  const bytes = new Uint8Array(binary.length);
  for (let index = 0; index < binary.length; index++) bytes[index] = binary.charCodeAt(index);
  return bytes;
};

const isBase64UrlText = (text: string): boolean => {
  if (text.length % 4 === 1) return false;
  for (let index = 0; index < text.length; index++) if (!isBase64Url(text.charCodeAt(index))) return false;
  return true;
};

const isBase64Url = (code: number): boolean =>
  (code >= 0x61 && code <= 0x7a) ||
  (code >= 0x41 && code <= 0x5a) ||
  (code >= 0x30 && code <= 0x39) ||
  code === 0x2d ||
  code === 0x5f;
