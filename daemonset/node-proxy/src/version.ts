/** What `version`, the first log line and the dump say about this build (spec/node-proxy.md 9.8). */
export const buildInfo = {
  version: '0.0.0',
  gitRevision: 'unknown',
  rustVersion: `node ${process.version}`,
  buildProfile: 'release',
  buildStatus: 'Clean',
  cryptoProvider: `openssl ${process.versions.openssl ?? 'unknown'}`,
};

/** The one-line form of upstream. */
export function buildInfoText(istioVersion: string): string {
  const { version, gitRevision, rustVersion, buildProfile, buildStatus, cryptoProvider } = buildInfo;
  return `version.BuildInfo{Version:"${version}", GitRevision:"${gitRevision}", RustVersion:"${rustVersion}", BuildProfile:"${buildProfile}", BuildStatus:"${buildStatus}", IstioVersion:"${istioVersion}", CryptoProvider:"${cryptoProvider}"}`;
}
