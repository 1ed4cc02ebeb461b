// Signing through the PKI secrets engine of Vault: POST to the sign path of a role. In: CSRs. Out: certificates. The token file is read for
// every request, because an agent beside us renews it. Main thread.
import { readFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { IdentityError, type SigningBackend } from '@ambit/identity';
import { messageOf } from '@ambit/runtime/errors';
import { readAtMost } from '@ambit/runtime/read-at-most';
import { SIGNING_DEADLINE_MS } from './wait-for.ts';

/** Settings of {@link vaultBackend}. */
export interface VaultOptions {
  /** `https://host:8200`. */
  readonly address: string;
  /** Path of the role below `/v1/`: `pki/sign/<role>`. */
  readonly path: string;
  readonly tokenFile: string;
  /** Roots of Vault's own certificate; undefined = those of the system. */
  readonly caFile: string | undefined;
  /** Default 30 s. */
  readonly deadlineMs?: number;
}

const MAX_ANSWER_BYTES = 1024 * 1024;

interface VaultAnswer {
  readonly data?: { readonly certificate?: unknown; readonly ca_chain?: unknown; readonly issuing_ca?: unknown };
  readonly errors?: readonly unknown[];
}

/** Signs through Vault. */
export function vaultBackend(options: VaultOptions): SigningBackend {
  return {
    async sign({ csrPem, ttlMs, signerName }) {
      if (signerName !== undefined) {
        throw new IdentityError('ERR_IDENTITY_INVALID_CSR', 'requests cannot choose among roles of Vault');
      }
      // Vault takes names from the CSR only as far as the role allows; our signer compares what comes back.
      const body = { csr: csrPem, format: 'pem', ttl: `${Math.max(Math.round(ttlMs / 1000), 1)}s` };
      const { status, answer } = await post(options, body);
      if (status !== 200) {
        const text = (answer.errors ?? []).map(String).join('; ').slice(0, 500);
        const isRefusal = status >= 400 && status < 500 && status !== 429;
        throw new IdentityError(
          isRefusal ? 'ERR_IDENTITY_CA_REFUSED' : 'ERR_IDENTITY_CA_UNREACHABLE',
          `Vault answered ${status}${text === '' ? '' : `: ${text}`}`,
          status === 403 ? { hint: `does the token in ${options.tokenFile} allow update on ${options.path}?` } : {},
        );
      }
      const { certificate, ca_chain: chain = [], issuing_ca: issuer } = answer.data ?? {};
      return [certificate, ...(Array.isArray(chain) ? (chain as unknown[]) : []), issuer]
        .filter((pem) => typeof pem === 'string')
        .join('\n');
    },
  };
}

async function post(options: VaultOptions, body: object): Promise<{ status: number; answer: VaultAnswer }> {
  const { address, path, tokenFile, caFile, deadlineMs = SIGNING_DEADLINE_MS } = options;
  const url = new URL(`/v1/${path}`, address);
  try {
    const token = (await readFile(tokenFile, 'utf8')).trim();
    const ca = caFile === undefined ? undefined : await readFile(caFile);
    const text = JSON.stringify(body);
    const { promise, resolve, reject } = Promise.withResolvers<{ status: number; answer: VaultAnswer }>();
    const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(
      url,
      {
        method: 'POST',
        agent: false,
        signal: AbortSignal.timeout(deadlineMs),
        headers: {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(text),
          'x-vault-request': 'true',
          'x-vault-token': token,
        },
        ...(ca !== undefined && { ca }),
      },
      (response) => {
        readAtMost(response, MAX_ANSWER_BYTES)
          .then((bytes) => {
            if (bytes === undefined) throw new Error(`answer of more than ${MAX_ANSWER_BYTES} bytes`);
            resolve({ status: response.statusCode ?? 0, answer: answerOf(bytes.toString('utf8')) });
          })
          .catch(reject);
      },
    );
    request.on('error', reject);
    request.end(text);
    return await promise;
  } catch (cause) {
    throw new IdentityError(
      'ERR_IDENTITY_CA_UNREACHABLE',
      `Vault at ${url.host} cannot be asked: ${messageOf(cause)}`,
      {
        cause,
      },
    );
  }
}

function answerOf(text: string): VaultAnswer {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return { errors: [text.slice(0, 200)] };
  }
}
