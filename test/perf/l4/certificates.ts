// Certificates for one run, made now by the test authority; keys live in a folder that the suite removes.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { testCa } from '@ambit/identity/testing';

/** Files that every process of the run reads. */
export interface BenchCertificates {
  readonly folder: string;
  /** JSON of `{ certChainPem, privateKeyPem, rootsPem }`. */
  readonly jsonFile: string;
  /** Certificate and key in one PEM, as haproxy wants it. */
  readonly pairFile: string;
  readonly rootFile: string;
}

/** Writes them. The caller removes `folder`. */
export async function writeCertificates(): Promise<BenchCertificates> {
  const ca = testCa();
  const { certChainPem, privateKeyPem, rootsPem } = await ca.issue(ca.identity('bench', 'proxy'));
  const folder = mkdtempSync(join(tmpdir(), 'ambit-bench-'));
  const write = (name: string, text: string): string => {
    const file = join(folder, name);
    writeFileSync(file, text, { mode: 0o600 });
    return file;
  };
  return {
    folder,
    jsonFile: write('identity.json', JSON.stringify({ certChainPem, privateKeyPem, rootsPem })),
    pairFile: write('pair.pem', `${certChainPem}\n${privateKeyPem}`),
    rootFile: write('root.pem', rootsPem),
  };
}
