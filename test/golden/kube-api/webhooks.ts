// The webhooks of the recorded scenario: `/mutate` adds a label, `/validate` does what annotation `m` says. In: reviews
// over HTTPS; out: answers, and what was asked, for comparison. Listens on loopback until closed.
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { Server } from 'node:https';
import type { AddressInfo } from 'node:net';

/** One call as the recording has it. */
export interface WebhookCall {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly review: unknown;
}

interface Review {
  readonly request: {
    readonly uid: string;
    readonly object: { readonly metadata: { readonly annotations?: Readonly<Record<string, string>> } } | null;
  };
}

/** A key pair for 127.0.0.1 and who signed it. */
export interface WebhookCertificate {
  readonly caPem: string;
  readonly certPem: string;
  readonly keyPem: string;
}

const patch = Buffer.from(JSON.stringify([{ op: 'add', path: '/metadata/labels', value: { mutated: 'yes' } }]));

function answerTo(path: string, { request }: Review): { status: number; body: string } {
  const reply = (response: object): { status: number; body: string } => ({
    status: 200,
    body: JSON.stringify({
      apiVersion: 'admission.k8s.io/v1',
      kind: 'AdmissionReview',
      response: { uid: request.uid, ...response },
    }),
  });
  if (path.startsWith('/mutate')) {
    const change = { patchType: 'JSONPatch', patch: patch.toString('base64') };
    return reply({ allowed: true, ...(request.object === null ? {} : change) });
  }
  switch (request.object?.metadata.annotations?.['m']) {
    case 'warn':
      return reply({ allowed: true, warnings: ['be careful'] });
    case 'deny':
      return reply({
        allowed: false,
        status: { code: 422, reason: 'Invalid', message: 'configuration is invalid: size' },
      });
    case 'denyplain':
      return reply({ allowed: false });
    case '500':
      return { status: 500, body: 'boom' };
    case 'garbage':
      return { status: 200, body: '{}' };
    default:
      return reply({ allowed: true });
  }
}

/** The running webhooks. */
export class Webhooks {
  readonly #server: Server;
  readonly #calls: WebhookCall[] = [];
  readonly caPem: string;

  constructor(certificate: WebhookCertificate) {
    this.caPem = certificate.caPem;
    this.#server = createServer({ cert: certificate.certPem, key: certificate.keyPem }, (request, response) => {
      let text = '';
      request.on('data', (chunk: Buffer) => (text += chunk.toString()));
      request.on('end', () => {
        const path = request.url ?? '';
        const review = JSON.parse(text) as Review;
        const { accept = '', 'content-type': type = '' } = request.headers;
        this.#calls.push({ path, headers: { Accept: accept, 'Content-Type': type }, review });
        const { status, body } = answerTo(path, review);
        response.writeHead(status).end(body);
      });
    });
  }

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  get port(): number {
    return (this.#server.address() as AddressInfo | null)?.port ?? this.#port;
  }

  #port = 0;

  /** What was asked since the last time. */
  takeCalls(): WebhookCall[] {
    return this.#calls.splice(0);
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    this.#port = this.port;
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
