import { createHash, hkdfSync } from 'node:crypto'
import type { SecureContext } from 'node:tls'

const wanted = 'at least 32 random bytes, as such or in base64 (openssl rand -base64 32)'

/** How long one set of ticket keys is in use, in seconds. */
export const ticketPeriodSeconds = 12 * 3600
/** How long a session can be resumed, in seconds: what OpenSSL has by default too. */
export const sessionSeconds = 2 * 3600

/** Gives the context for handshakes at a time, in seconds since 1970-01-01T00:00:00Z. */
export type ContextAt = (time: number) => SecureContext

/**
 * The contexts of one host whose ticket keys are derived from a secret: another one in each period, by the clock alone, so that
 * machines with the same secret have the same keys. Node.js takes one set of keys a context: a ticket of the period before leads to a
 * full handshake.
 * @param scope everything that must be the same for a ticket to be accepted
 */
export function rotated(secret: string, scope: unknown, make: (ticketKeys: Buffer) => SecureContext): ContextAt {
  const hashed = createHash('sha256').update(JSON.stringify(scope)).digest('hex')
  let made: { readonly period: number; readonly context: SecureContext } | null = null
  return (time) => {
    const period = Math.floor(time / ticketPeriodSeconds)
    if (made?.period !== period) {
      // 48 bytes: the name of the keys, one for HMAC and one for AES.
      const keys = hkdfSync('sha256', secret, '', `leveret session tickets ${period} ${hashed}`, 48)
      made = { period, context: make(Buffer.from(keys)) }
    }
    return made.context
  }
}

/**
 * A `ticket_secret` as text, without white space around it; bytes in base64.
 * @throws Error whose message says what it must be, and does not contain it
 */
export function ticketSecretText(secret: unknown): string {
  const isText = typeof secret === 'string'
  if (!isText && !(secret instanceof Uint8Array)) throw new Error(`must be ${wanted}, got a value of type ${typeof secret}`)
  const text = isText ? secret.trim() : Buffer.from(secret).toString('base64')
  const size = isText ? text.length : secret.length
  if (size < (isText ? 43 : 32)) throw new Error(`must be ${wanted}, got ${size} ${isText ? 'characters' : 'bytes'}`)
  // Random bytes in base64 or hexadecimal have more, with certainty: this finds what was only filled up.
  if (new Set(text).size < 8) throw new Error(`must be ${wanted}, got one that repeats a few characters`)
  return text
}
