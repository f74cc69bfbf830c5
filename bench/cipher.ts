/**
 * The one cipher of TLS 1.3 that clients offer, here and in the loads. Servers would choose differently, and it is they that
 * are compared, not ciphers.
 */
export const cipher = 'TLS_AES_128_GCM_SHA256'

/** A configuration of OpenSSL for programs that have no option for it. */
export const openSslConfig = `openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = tls
[tls]
Ciphersuites = ${cipher}
`
