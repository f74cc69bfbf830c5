import { constants, createHash, type KeyObject, type X509Certificate } from 'node:crypto'
import type { SecureContext } from 'node:tls'
import { messageOf } from '../lev/internal.js'
import { FileFault } from './identity-files.js'
import { sessionSeconds } from './tickets.js'

/** A private key, and its certificate with the chain to its authority. */
export interface KeyPair {
  readonly key: KeyObject
  readonly chain: readonly X509Certificate[]
}

/** Forward secrecy and authenticated encryption only (RFC 9325 section 4.2), cheapest first. */
const ciphers = [
  'TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-CHACHA20-POLY1305', 'ECDHE-RSA-CHACHA20-POLY1305',
].join(':')

/**
 * Creates the context for handshakes of one host. If there are several pairs, with different kinds of keys, the TLS library
 * uses the first in its own order that the client supports: Ed25519 and ECDSA are cheaper than RSA.
 *
 * Each identity has its own context, and so its own keys for session tickets: a ticket of one host is not valid for
 * another. The session id context separates them as well.
 *
 * @param ticketKeys null: random ones
 * @throws FileFault
 */
export function secureContext(
  host: string, pairs: readonly KeyPair[], authorities: string[], ticketKeys: Buffer | null,
): SecureContext {
  try {
    return process.getBuiltinModule('node:tls').createSecureContext({
      cert: pairs.map(({ chain }) => chain.map(String).join('')),
      key: pairs.map(({ key }) => key.export({ type: 'pkcs8', format: 'pem' })),
      // Even an empty list keeps Node from trusting the public authorities for client certificates.
      ca: authorities,
      ciphers,
      honorCipherOrder: true,
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.3',
      // Clients that prefer ChaCha20 have no AES hardware.
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_PRIORITIZE_CHACHA,
      sessionIdContext: createHash('sha256').update(host).digest('hex').slice(0, 32),
      ...(ticketKeys === null ? {} : { ticketKeys, sessionTimeout: sessionSeconds }),
    })
  } catch (error) {
    const reason = messageOf(error)
    throw new FileFault(null, `the TLS library refuses it: ${reason}`, { cause: error })
  }
}
