/**
 * Errors of the API as Status objects with the exact texts clients know (spec/local-cluster.md 2). In: facts about a
 * failure; out: an `ApiError` that HTTP answers and in-process callers both understand. Pure.
 */

/** One cause inside a Status. */
export interface StatusCause {
  readonly reason?: string;
  readonly message?: string;
  readonly field?: string;
}

/** What a Status says about the object and the field. `kind` is the plural name or the Kind, as the API has it. */
export interface StatusDetails {
  readonly name?: string;
  readonly group?: string;
  readonly kind?: string;
  readonly uid?: string;
  readonly causes?: readonly StatusCause[];
  readonly retryAfterSeconds?: number;
}

/** The body of every error answer. */
export interface Status {
  readonly kind: 'Status';
  readonly apiVersion: 'v1';
  readonly metadata: { readonly continue?: string };
  readonly status: 'Success' | 'Failure';
  readonly message?: string;
  readonly reason?: string;
  readonly details?: StatusDetails;
  readonly code?: number;
}

const brand: unique symbol = Symbol.for('@ambit/local-cluster.ApiError');

/** A refused request. `status` is the answer's body; `warnings` go out as Warning headers all the same. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly [brand] = true;
  readonly status: Status;
  /** HTTP status code, 400 to 599. */
  readonly code: number;

  constructor(status: Status, options?: ErrorOptions) {
    super(status.message ?? status.reason ?? 'failed', options);
    this.status = status;
    this.code = status.code ?? 500;
  }

  static is(error: unknown): error is ApiError {
    return typeof error === 'object' && error !== null && brand in error;
  }
}

/** True for a 404 NotFound. */
export const isNotFound = (error: unknown): boolean => ApiError.is(error) && error.code === 404;
/** True for a 409 Conflict (stale revision or failed precondition), not for AlreadyExists. */
export const isConflict = (error: unknown): boolean => ApiError.is(error) && error.status.reason === 'Conflict';
/** True for a 409 AlreadyExists. */
export const isAlreadyExists = (error: unknown): boolean =>
  ApiError.is(error) && error.status.reason === 'AlreadyExists';

const failure = (code: number, reason: string | undefined, message: string, details?: StatusDetails): ApiError =>
  new ApiError({
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message,
    ...(reason === undefined ? {} : { reason }),
    ...(details === undefined ? {} : { details }),
    code,
  });

/** A resource as Status texts name it. */
export interface NamedResource {
  /** Empty for the core group. */
  readonly group: string;
  /** Plural name. */
  readonly resource: string;
}

/** `pods` or `deployments.apps`. */
export const qualifiedResource = (resource: NamedResource): string =>
  resource.group === '' ? resource.resource : `${resource.resource}.${resource.group}`;

const detailsOf = (resource: NamedResource, name?: string): StatusDetails => ({
  ...(name === undefined || name === '' ? {} : { name }),
  ...(resource.group === '' ? {} : { group: resource.group }),
  kind: resource.resource,
});

/** 400 with a plain text. */
export const badRequest = (message: string): ApiError => failure(400, 'BadRequest', message);
/** 401. */
export const unauthorized = (): ApiError => failure(401, 'Unauthorized', 'Unauthorized');
/** 403 with the reason after the fixed opening. */
export const forbidden = (
  resource: NamedResource,
  name: string,
  why: string,
  causes?: readonly StatusCause[],
): ApiError =>
  failure(403, 'Forbidden', `${qualifiedResource(resource)}${name === '' ? '' : ` "${name}"`} is forbidden: ${why}`, {
    ...detailsOf(resource, name),
    ...(causes === undefined ? {} : { causes }),
  });
/** 404 of an object. */
export const notFound = (resource: NamedResource, name: string): ApiError =>
  failure(404, 'NotFound', `${qualifiedResource(resource)} "${name}" not found`, detailsOf(resource, name));
/** 404 of a path inside a builtin group. */
export const pathNotFound = (): ApiError =>
  failure(404, 'NotFound', 'the server could not find the requested resource', {});
/** 405. */
export const methodNotAllowed = (): ApiError =>
  failure(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource', {});
/** 406 with the accepted types. */
export const notAcceptable = (types: readonly string[]): ApiError =>
  failure(406, 'NotAcceptable', `only the following media types are accepted: ${types.join(', ')}`);
/** 409 of a create. */
export const alreadyExists = (resource: NamedResource, name: string): ApiError =>
  failure(409, 'AlreadyExists', `${qualifiedResource(resource)} "${name}" already exists`, detailsOf(resource, name));
/** 409 of a write; `why` follows the fixed opening. */
export const conflict = (
  resource: NamedResource,
  name: string,
  why = 'the object has been modified; please apply your changes to the latest version and try again',
): ApiError =>
  failure(
    409,
    'Conflict',
    `Operation cannot be fulfilled on ${qualifiedResource(resource)} "${name}": ${why}`,
    detailsOf(resource, name),
  );
/** 409 of server-side apply: other managers own fields. */
export const applyConflict = (message: string, causes: readonly StatusCause[]): ApiError =>
  failure(409, 'Conflict', message, { causes });
/** 410 of a read at a revision that is gone; `continueToken` lets the client start afresh. */
export const expired = (message: string, continueToken?: string): ApiError =>
  new ApiError({
    kind: 'Status',
    apiVersion: 'v1',
    metadata: continueToken === undefined ? {} : { continue: continueToken },
    status: 'Failure',
    message,
    reason: 'Expired',
    code: 410,
  });
/** 413. */
export const entityTooLarge = (limitBytes: number): ApiError =>
  failure(413, 'RequestEntityTooLarge', `Request entity too large: limit is ${limitBytes}`);
/** 415 with the accepted types. */
export const unsupportedMediaType = (types: readonly string[]): ApiError =>
  failure(
    415,
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${types.join(', ')}`,
  );
/** 500 with a plain text. */
export const internalError = (message: string): ApiError => failure(500, undefined, message);
/** 501: a part of the API this server does not have (yet). */
export const notImplemented = (message: string): ApiError => failure(501, 'NotImplemented', message);
/** 504 of a read in the future. */
export const futureRevision = (asked: number, current: number): ApiError =>
  failure(504, 'Timeout', `Timeout: Too large resource version: ${asked}, current: ${current}`, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  });

/** One problem of a field; built by the functions of `field-error.ts`. */
export interface FieldProblem {
  readonly reason: string;
  readonly field: string;
  readonly message: string;
}

/** 422 for an object or options; several problems are listed in brackets. */
export const invalid = (
  kind: { group: string; kind: string },
  name: string,
  problems: readonly FieldProblem[],
): ApiError => {
  const qualified = kind.group === '' ? kind.kind : `${kind.kind}.${kind.group}`;
  const texts = [...new Set(problems.map((problem) => `${problem.field}: ${problem.message}`))];
  const text = texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`;
  return failure(422, 'Invalid', `${qualified} "${name}" is invalid: ${text}`, {
    ...(name === '' ? {} : { name }),
    ...(kind.group === '' ? {} : { group: kind.group }),
    ...(kind.kind === '' ? {} : { kind: kind.kind }),
    causes: problems.map(({ reason, message, field }) => ({ reason, message, field })),
  });
};

/** An error of any code, for texts used once. */
export const statusError = failure;
