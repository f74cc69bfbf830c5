import type { Socket } from 'node:net'
import { IndexedSet, type Indexed } from '../../core/indexed-set.js'

/** An encrypted connection: the socket that applications read, and the one below it. */
export interface Encrypted extends Indexed {
  readonly secured: Pick<Socket, 'bytesRead'>
  readonly raw: Pick<Socket, 'bytesRead'>
  /** Closes it. */
  cut(error: Error): void
}

/** Seconds from one look to the next. */
const interval = 2

/** Bytes that are no content and that every connection may have: a handshake with certificates has up to 200 KiB. */
export const tlsOverheadBytes = 1024 * 1024

/**
 * How many more for each byte of content. A record of TLS 1.2 has 29 bytes beside its content, and no unit of HTTP or of a
 * WebSocket that is sent alone has less than 6.
 */
export const tlsOverheadPerByte = 5

/**
 * Cuts connections whose peer sends hardly anything but TLS itself. OpenSSL answers each KeyUpdate (RFC 8446 4.6.3), 27 bytes, for as
 * long as they come: that costs 14 us each, and the answers of a peer that does not read pile up in native memory, which nothing
 * else sees. Of such records no event tells; so the counts of bytes are looked at every now and then.
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
      if (isExcessive(connection)) connection.cut(new Error('the other side sends hardly anything but TLS itself'))
    }
  }
}

/** Whether much more has come than its content needs. */
export function isExcessive({ secured, raw }: Encrypted): boolean {
  const content = secured.bytesRead
  return raw.bytesRead - content > tlsOverheadBytes + tlsOverheadPerByte * content
}

/** The encrypted connections of this process. */
export const tlsOverhead = new TlsOverhead()
