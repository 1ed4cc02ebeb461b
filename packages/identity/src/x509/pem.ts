// PEM text to DER blocks and back, by hand (no pattern matching on outside data). In: files, CA answers, CSRs.
// Called by every reader of this package; pure, any thread.

import { IdentityError } from '../errors.ts';

/** Longest PEM text that is read, in UTF-16 units (a root bundle of a large mesh is some tens of KiB). */
export const MAX_PEM_LENGTH = 1024 * 1024;

const beginMark = '-----BEGIN ';
const dashes = '-----';
const lineLength = 64;

/**
 * All blocks with one of the labels, in order; blocks with other labels and text around them are skipped.
 * Throws ERR_IDENTITY_INVALID_PEM for text that is too long, a block without end, or content that is no base64.
 */
export function pemBlocks(text: string, ...labels: readonly string[]): Buffer[] {
  if (text.length > MAX_PEM_LENGTH)
    throw invalid(`pem text of ${text.length} characters is over the limit of ${MAX_PEM_LENGTH}`);
  const blocks: Buffer[] = [];
  let position = text.indexOf(beginMark);
  while (position >= 0) {
    const labelStart = position + beginMark.length;
    const labelEnd = text.indexOf(dashes, labelStart);
    if (labelEnd < 0) throw invalid('pem block starts but its first line does not end');
    const label = text.slice(labelStart, labelEnd);
    const endMark = `-----END ${label}-----`;
    const bodyEnd = text.indexOf(endMark, labelEnd);
    if (bodyEnd < 0) throw invalid(`pem block "${label.slice(0, lineLength)}" has no end line`);
    if (labels.includes(label)) blocks.push(decodeBody(text.slice(labelEnd + dashes.length, bodyEnd), label));
    position = text.indexOf(beginMark, bodyEnd + endMark.length);
  }
  return blocks;
}

/** The DER of every certificate in the text. */
export function certificatesOfPem(text: string): Buffer[] {
  return pemBlocks(text, 'CERTIFICATE', 'X509 CERTIFICATE', 'TRUSTED CERTIFICATE');
}

/** One PEM block with a trailing newline. */
export function toPem(label: string, der: Uint8Array): string {
  const base64 = Buffer.from(der).toString('base64');
  const lines = [`-----BEGIN ${label}-----`];
  for (let at = 0; at < base64.length; at += lineLength) lines.push(base64.slice(at, at + lineLength));
  lines.push(`-----END ${label}-----`, '');
  return lines.join('\n');
}

function decodeBody(body: string, label: string): Buffer {
  let base64 = '';
  for (const line of body.split('\n')) base64 += line.trim();
  const der = Buffer.from(base64, 'base64');
  const unpadded = base64.replaceAll('=', '');
  if (der.length === 0 || der.toString('base64').replaceAll('=', '') !== unpadded) {
    throw invalid(`pem block "${label}" holds something else than base64`);
  }
  return der;
}

function invalid(message: string): IdentityError {
  return new IdentityError('ERR_IDENTITY_INVALID_PEM', message);
}
