import type { Socket } from 'node:net'
import { IndexedSet, type Indexed } from '../../core/indexed-set.js'

/** An encrypted connection: its decrypted socket, and the raw one below it. */
export interface Encrypted extends Indexed {
  readonly secured: Pick<Socket, 'bytesRead'>
  readonly raw: Pick<Socket, 'bytesRead'>
  /** Closes the connection with `error`. */
  cut(error: Error): void
}

/** Seconds between checks. */
const interval = 2

/** Bytes of overhead that every connection may have: a handshake with certificates takes up to 200 KiB. */
export const tlsOverheadBytes = 1024 * 1024

/**
 * Additional bytes of overhead per byte of content. A TLS 1.2 record has 29 bytes besides its content, and no unit of HTTP or
 * WebSocket that is sent alone has fewer than 6.
 */
export const tlsOverheadPerByte = 5

/**
 * Closes connections whose peer sends hardly anything but TLS overhead. OpenSSL responds to every KeyUpdate (RFC 8446 4.6.3) of
 * 27 bytes: that costs 14 us each, and if the peer does not read, the responses pile up in native memory that nothing else
 * limits. No event reports such records, so the byte counts are checked periodically.
 */
class TlsOverhead {
  readonly #watched = new IndexedSet<Encrypted>()
  #timer: NodeJS.Timeout | null = null

  watch(connection: Encrypted): void {
    this.#watched.add(connection)
    this.#timer ??= setInterval(() => this.#look(), interval * 1000).unref()
  }

  forget(connection: Encrypted): void {
    this.#watched.delete(connection)
    if (this.#watched.size > 0 || this.#timer === null) return
    clearInterval(this.#timer)
    this.#timer = null
  }

  #look(): void {
    for (const connection of this.#watched) {
      if (isExcessive(connection)) connection.cut(new Error('the peer sends hardly any content in its TLS records'))
    }
  }
}

/** Whether far more bytes have arrived than the content needs. */
export function isExcessive({ secured, raw }: Encrypted): boolean {
  const content = secured.bytesRead
  return raw.bytesRead - content > tlsOverheadBytes + tlsOverheadPerByte * content
}

/** The encrypted connections of this process. */
export const tlsOverhead = new TlsOverhead()
