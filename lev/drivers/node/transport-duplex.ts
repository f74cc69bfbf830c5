import { Duplex } from 'node:stream'
import type { SecureFacts, Transport, TransportEvents } from '../driver.js'

/** A transport as a Node stream, which node:tls needs when there is no socket. */
export class TransportDuplex extends Duplex implements TransportEvents {
  readonly #transport: Transport
  readonly #letTlsRun: () => void
  #written: (() => void) | null = null

  /** @param letTlsRun called after each event, because the stream's listeners work in the real event loop */
  constructor(transport: Transport, letTlsRun: () => void) {
    super({ allowHalfOpen: true })
    this.#transport = transport
    this.#letTlsRun = letTlsRun
    transport.start(this)
  }

  override _read(): void {
    this.#transport.resume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#written = done
    this.#transport.write([chunk])
    this.#letTlsRun()
  }

  override _final(done: () => void): void {
    this.#transport.end()
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#transport.destroy()
    done(error)
  }

  onChunk(bytes: Buffer): void {
    if (!this.push(bytes)) this.#transport.pause()
    this.#letTlsRun()
  }

  onBorrowedChunk(buffer: Buffer, size: number): void {
    this.onChunk(Buffer.from(buffer.subarray(0, size)))
  }

  onEnd(): void {
    this.push(null)
    this.#letTlsRun()
  }

  onProgress(): void {
    if (this.#transport.pending > 0) return
    const written = this.#written
    this.#written = null
    written?.()
    this.#letTlsRun()
  }

  onSecure(_facts: SecureFacts): void {}

  onClose(error: Error | null): void {
    this.destroy(error ?? undefined)
    this.#letTlsRun()
  }
}
