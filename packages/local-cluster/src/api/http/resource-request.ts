/**
 * What every handler of resources shares: the request with its facts, write options, patch bodies, answers. Used by
 * resources.ts and subresources.ts. Main thread.
 */

import type { AdmissionFacts } from '../admission/target.ts';
import type { JsonObject } from '../json.ts';
import type { ReviewServices } from '../../auth/reviews.ts';
import type { PatchType } from '../object-api.ts';
import type { Resource } from '../resources/resource.ts';
import { badRequest, statusError, unsupportedMediaType } from '../status.ts';
import type { KubeObject } from '../../store/kube-object.ts';
import type { WriteContext, WriteEnvironment } from '../write/context.ts';
import type { PatchRequest } from '../write/patch.ts';
import type { UpdateTarget } from '../write/update.ts';
import { mediaType, parseJson, parseYaml, textOf } from './decode-body.ts';
import type { Exchange } from './exchange.ts';
import { negotiate } from './negotiate.ts';
import type { RequestInfo } from './request-info.ts';
import { objectText } from './shape.ts';
import { writeOptions } from './write-options.ts';

/** What handlers work with. */
export interface ResourceServices {
  readonly environment: WriteEnvironment;
  readonly reviews: ReviewServices;
  readonly closing: AbortSignal;
}

/** A request with its resource. */
export interface ResourceRequest {
  readonly exchange: Exchange;
  readonly info: RequestInfo;
  readonly resource: Resource;
  readonly services: ResourceServices;
}

const patchTypes: Readonly<Record<string, PatchType>> = {
  'application/json-patch+json': 'json',
  'application/merge-patch+json': 'merge',
  'application/strategic-merge-patch+json': 'strategic',
  'application/apply-patch+yaml': 'apply',
  'application/apply-patch+cbor': 'apply',
};

/** The object a request addresses. */
export function targetOf(request: ResourceRequest, subresource = request.info.subresource): UpdateTarget {
  return { resource: request.resource, namespace: request.info.namespace, name: request.info.name ?? '', subresource };
}

/** Answers with one object in the asked shape. */
export async function answer(request: ResourceRequest, code: number, object: KubeObject): Promise<void> {
  const { exchange, resource, services } = request;
  const representation = negotiate(
    exchange.header('accept'),
    resource.custom === undefined ? 'builtin-object' : 'custom',
  );
  const text = objectText(object, resource, representation, exchange.query, services.environment.now());
  await exchange.json(code, text, representation.format);
}

/** Checked write options of a request; `kind` names them in problems. */
export function contextOf(
  request: ResourceRequest,
  kind: string,
  isApply = false,
): { context: WriteContext; force: boolean } {
  const { exchange } = request;
  const options = writeOptions(exchange.query, exchange.header('user-agent'), kind, isApply);
  return {
    context: {
      manager: options.manager,
      dryRun: options.dryRun,
      fieldValidation: options.fieldValidation,
      warnings: exchange.warnings,
      user: exchange.user,
    },
    force: options.force,
  };
}

/** What admission is told about a write. */
export function admissionFacts(request: ResourceRequest, dryRun: boolean): AdmissionFacts {
  const { exchange } = request;
  const options: JsonObject = {};
  for (const name of ['fieldManager', 'fieldValidation']) {
    const value = exchange.query.get(name) ?? '';
    if (value !== '') options[name] = value;
  }
  return { user: exchange.user, dryRun, options, warnings: exchange.warnings };
}

/** The format of a patch; throws 415. */
export function patchTypeOf(request: ResourceRequest): PatchType {
  const { exchange, resource } = request;
  const type = patchTypes[mediaType(exchange.header('content-type'))];
  if (type !== undefined && !(type === 'strategic' && resource.custom !== undefined)) return type;
  if (type === undefined && resource.custom === undefined) {
    throw statusError(415, 'UnsupportedMediaType', '415: Unsupported Media Type', {});
  }
  throw unsupportedMediaType([
    'application/json-patch+json',
    'application/merge-patch+json',
    'application/apply-patch+yaml',
  ]);
}

/** The patch in a body; throws 400. */
export function decodePatch(type: PatchType, bytes: Buffer): PatchRequest {
  const text = textOf(bytes);
  if (type === 'apply') {
    try {
      const decoded = parseYaml(text);
      return { type, patch: decoded.value, force: false, duplicates: decoded.duplicates };
    } catch (error) {
      throw badRequest(`error decoding YAML: ${error instanceof Error ? error.message : ''}`);
    }
  }
  try {
    const decoded = parseJson(text);
    return { type, patch: decoded.value, force: false, duplicates: decoded.duplicates };
  } catch (error) {
    throw badRequest(`error decoding patch: ${error instanceof Error ? error.message : ''}`);
  }
}
