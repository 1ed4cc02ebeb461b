// Which control plane this is, in the form that upstream's tools read (`istioctl version`, Kiali). Constants.

/** The Istio release whose interfaces we serve. */
const ISTIO_VERSION = '1.32.0';
/** Tells our builds from upstream's wherever a source revision is shown. */
const BUILD = 'ambit';

/** Parts of the version. */
export const VERSION_TEXT = {
  /** Release of the interfaces. */
  version: ISTIO_VERSION,
  /** Shown where upstream shows a commit. */
  revision: BUILD,
  /** `<version>-<revision>-<state of the build>`: the text of `/version`. */
  full: `${ISTIO_VERSION}-${BUILD}-Clean`,
} as const;
