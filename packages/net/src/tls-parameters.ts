// What HBONE's TLS offers, in OpenSSL's words (spec node-proxy 2.2, decisions W6). Pure. Used by both TLS engines.

/** Key exchange groups in order. */
export const TLS_GROUPS_POST_QUANTUM = 'X25519MLKEM768';
/** The default groups: the hybrid one last. */
export const TLS_GROUPS: string = `X25519:P-256:P-384:${TLS_GROUPS_POST_QUANTUM}`;
/** Cipher suites of TLS 1.3, AES-256 first as ztunnel. */
export const TLS13_CIPHERS = 'TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256';
