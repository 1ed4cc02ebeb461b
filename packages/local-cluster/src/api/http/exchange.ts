/**
 * One HTTP request and its answer, the same for HTTP/2 and HTTP/1.1. In: Node's request and response; out: parsed
 * path, query, body, and ways to answer. Made by the listener, used by every handler. Main thread.
 */

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { readAtMost } from '@ambit/runtime/read-at-most';
import { stringify } from 'yaml';
import { entityTooLarge } from '../status.ts';
import { ApiError } from '../status.ts';
import type { Status } from '../status.ts';
import { anonymous } from '../../auth/user.ts';
import type { UserInfo } from '../../auth/user.ts';
import { errorFormat } from './negotiate.ts';

const bodyLimitBytes = 3 * 1024 * 1024;
const gzipFromBytes = 128 * 1024;
const compress = promisify(gzip);

/** A request under way. */
export class Exchange {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly request: IncomingMessage | Http2ServerRequest;
  readonly response: ServerResponse | Http2ServerResponse;
  /** Texts for Warning headers, sent with the answer. */
  readonly warnings: string[] = [];
  user: UserInfo = anonymous;

  constructor(request: IncomingMessage | Http2ServerRequest, response: ServerResponse | Http2ServerResponse) {
    this.request = request;
    this.response = response;
    this.method = request.method ?? 'GET';
    const target = request.url ?? '/';
    const cut = target.indexOf('?');
    this.path = cut === -1 ? target : target.slice(0, cut);
    this.query = new URLSearchParams(cut === -1 ? '' : target.slice(cut + 1));
  }

  /** A request header, or undefined. */
  header(name: string): string | undefined {
    const value = this.request.headers[name];
    return Array.isArray(value) ? value.join(', ') : value;
  }

  /** The whole body; rejects with 413 over 3 MiB. */
  async body(): Promise<Buffer> {
    const declared = Number(this.header('content-length') ?? 0);
    if (declared > bodyLimitBytes) throw this.#tooLarge();
    const body = await readAtMost(this.request, bodyLimitBytes);
    if (body === undefined) throw this.#tooLarge();
    return body;
  }

  #tooLarge(): ApiError {
    this.request.resume();
    return entityTooLarge(bodyLimitBytes);
  }

  /** Sets the headers every answer has. */
  prepare(headers: Readonly<Record<string, string>> = {}): void {
    const { response } = this;
    response.setHeader('Cache-Control', 'no-cache, private');
    response.setHeader('Audit-Id', randomUUID());
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    const unique = [...new Set(this.warnings)];
    if (unique.length > 0)
      response.setHeader(
        'Warning',
        unique.map((text) => `299 - ${JSON.stringify(text)}`),
      );
  }

  /** Answers with text of a type. */
  async text(code: number, body: string, type: string, headers: Readonly<Record<string, string>> = {}): Promise<void> {
    this.prepare({ 'Content-Type': type, ...headers });
    this.response.statusCode = code;
    const bytes = Buffer.from(body);
    const zips = bytes.length >= gzipFromBytes && (this.header('accept-encoding') ?? '').includes('gzip');
    if (zips) {
      this.response.setHeader('Content-Encoding', 'gzip');
      this.response.setHeader('Vary', 'Accept-Encoding');
    }
    const content = zips ? await compress(bytes, { level: 1 }) : bytes;
    this.response.setHeader('Content-Length', String(content.length));
    this.response.end(this.method === 'HEAD' ? '' : content);
  }

  /** Answers with JSON text, or the same as YAML. */
  async json(
    code: number,
    body: string,
    format: 'json' | 'yaml' = 'json',
    headers: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    if (format === 'json') return this.text(code, body, 'application/json', headers);
    return this.text(code, stringify(JSON.parse(body)), 'application/yaml', headers);
  }

  /** Answers with a value as JSON. */
  async value(code: number, value: unknown, headers: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.json(code, JSON.stringify(value), 'json', headers);
  }

  /** Answers with a failure. */
  async failure(error: unknown): Promise<void> {
    const status: Status = ApiError.is(error)
      ? error.status
      : {
          kind: 'Status',
          apiVersion: 'v1',
          metadata: {},
          status: 'Failure',
          message: error instanceof Error ? error.message : 'internal error',
          code: 500,
        };
    if (this.response.headersSent) {
      this.response.end();
      return;
    }
    const retry = status.details?.retryAfterSeconds;
    const headers = {
      ...(retry === undefined ? {} : { 'Retry-After': String(retry) }),
      ...(status.code === 403 ? { 'X-Content-Type-Options': 'nosniff' } : {}),
    };
    await this.json(status.code ?? 500, JSON.stringify(status), errorFormat(this.header('accept')), headers);
  }

  /** 404 as plain text. */
  async pageNotFound(): Promise<void> {
    await this.text(404, '404 page not found\n', 'text/plain; charset=utf-8', { 'X-Content-Type-Options': 'nosniff' });
  }
}
